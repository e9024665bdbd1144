# SPDX-License-Identifier: MIT
"""What a header declares: namespaces, types, members, functions, variables, macros left aside. Good enough for sources
that clang-format has laid out; it knows nothing of the preprocessor, so both branches of an #if are declarations.
"""
import re
from dataclasses import dataclass

from cpp_source import code_only, match_close

SPACE = re.compile(r"\s*")
ACCESS = re.compile(r"(public|private|protected)\s*:(?!:)")
MACRO = re.compile(r"MOECLIP_\w+\([^()]*\)[ \t]*$", re.M)  # on a line of its own
TYPE = re.compile(r"\b(class|struct|union|enum(?:\s+(?:class|struct))?)\s+(?:\[\[.*?\]\]\s*)?(\w+)[^()=;]*$")
FUNCTION_NAME = re.compile(r"(operator\s*(?:\(\)|\[\]|[^\s\w(]+|\s[\w:&* ]+)|~?[A-Za-z_][\w:]*)\s*$")


@dataclass
class Declaration:
    kind: str      # namespace, type, enumerator, function, variable, alias
    name: str
    first: int     # offset of its first character, template head included
    last: int      # offset just past its `;`, `,` or `}`
    access: str    # public, protected, private
    scope: tuple   # names of the namespaces and types around it
    head: str      # its text up to the body


def angle_free(text):
    """The text without what stands between template brackets, which may hold parentheses and commas."""
    out, depth, i = [], 0, 0
    while i < len(text):
        letter = text[i]
        if letter == "<" and text[i - 1:i] != "<" and text[i + 1:i + 2] not in ("<", "=") and not re.search(
                r"operator\s*$", text[:i]):
            depth += 1
        elif letter == ">" and depth > 0 and text[i - 1] != "-":
            depth -= 1
        elif depth == 0:
            out.append(letter)
        i += 1
    return "".join(out)


def name_of(head):
    """(kind, name) of a declaration that is neither namespace nor type, from its text up to the body."""
    text = angle_free(re.sub(r"^\s*template\s*", "", re.sub(r"\[\[.*?\]\]", "", head)))
    text = re.sub(r"\b(alignas|noexcept|requires|decltype)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)", "", text).strip()
    if alias := re.match(r"using\s+(\w+)\s*=", text):
        return "alias", alias.group(1)
    if pointer := re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", text):
        return "variable", pointer.group(1)
    opening = text.find("(", text.find("operator()") + 10 if "operator()" in text else 0)
    equals = re.search(r"(?<![=!<>])=(?!=)", text)
    is_operator = re.search(r"\boperator\b", text)
    if opening > 0 and (is_operator or not equals or opening < equals.start()):
        if found := FUNCTION_NAME.search(text[:opening]):
            return "function", re.sub(r"\s", "", found.group(1))
    before = re.split(r"[={]", text)[0]
    first = before.split(",")[0]
    if found := re.search(r"([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*(?::[^:].*)?$", first):
        return "variable", found.group(1)
    return "other", ""


def enumerators(code, at, end, scope, access):
    while at < end:
        first = SPACE.match(code, at).end()
        if first >= end:
            return
        last = first
        while last < end and code[last] != ",":
            last = match_close(code, last) if code[last] in "({[" else last + 1
        if name := re.match(r"\w+", code[first:last]):
            yield Declaration("enumerator", name.group(), first, min(last + 1, end), access, scope, code[first:last])
        at = last + 1


def end_of(code, at, end):
    """(offset of the body's `{` or None, offset just past the declaration) of the declaration that starts at `at`."""
    start, body, is_value = at, None, False
    if head := re.match(r"template\s*<", code[at:end]):  # its defaults are no values
        at, depth = at + head.end(), 1
        while at < end and depth > 0:
            depth += (code[at] == "<") - (code[at] == ">")
            at += 1
    while at < end:
        letter = code[at]
        if letter in "([":
            at = match_close(code, at)
        elif letter == "{":
            closing = match_close(code, at)
            body = at if body is None else body
            after = SPACE.match(code, closing).end()
            if is_value or code[after:after + 1] in (",", "{"):  # a value, or a member in a constructor's list
                body, at = None, closing
            elif code[after:after + 1] == ";":
                at = closing
            else:
                return body, closing
        elif letter == ";":
            return body, at + 1
        elif letter == "=" and code[at - 1] not in "=!<>" and code[at + 1] != "=" and "operator" not in code[start:at]:
            is_value, at = True, at + 1
        else:
            at += 1
    return body, end


def walk(code, at, end, scope, access):
    while at < end:
        first = SPACE.match(code, at).end()
        if first >= end:
            return
        if label := ACCESS.match(code, first):
            access, at = label.group(1), label.end()
            continue
        if macro := MACRO.match(code, first):
            at = macro.end()
            continue
        if code[first] in ";}":
            at = first + 1
            continue
        body, last = end_of(code, first, end)
        head = code[first:body if body is not None else last]
        if body is not None and re.match(r"(inline\s+)?namespace\b", head):
            name = re.search(r"namespace\s*([\w:]*)", head).group(1)
            closing = match_close(code, body)
            yield Declaration("namespace", name, first, closing, access, scope, head)
            yield from walk(code, body + 1, closing - 1, scope + (name,), "public")
            at = closing
            continue
        is_type = TYPE.search(angle_free(re.sub(r"^\s*template\s*", "", head)).strip().rstrip(";"))
        if is_type and body is not None:
            kind, name = is_type.groups()
            yield Declaration("type", name, first, last, access, scope, head)
            inside = match_close(code, body) - 1
            if access == "public" and kind.startswith("enum"):
                yield from enumerators(code, body + 1, inside, scope + (name,), access)
            elif not kind.startswith("enum"):
                own = "private" if kind == "class" or access != "public" else "public"
                yield from walk(code, body + 1, inside, scope + (name,), own)
        elif not is_type and not re.match(r"(using\s+namespace|static_assert|extern\s+template|template\s+(class|struct)\b)", head):
            kind, name = name_of(head.rstrip(";"))
            *owner, name = name.split("::")  # a member that is defined outside of its class
            yield Declaration(kind, name, first, last, access, scope + tuple(owner), head)
        at = last


def declarations(text):
    """All of them, in the order of the text, outer before inner."""
    code = code_only(text)
    return list(walk(code, 0, len(code), (), "public"))
