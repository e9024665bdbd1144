# SPDX-License-Identifier: MIT
"""Checks that everything that states a version states the one of include/moeclip/base/version.hpp, that what states its date
states that of the CHANGELOG, and that the name of the inline namespace holds that version and every switch that changes the tokens of the library.

usage: check_versions.py      the preprocessor is $CXX (g++ by default)
"""
import os
import re
import subprocess
import sys

from cpp_source import INCLUDE, NAMESPACE, ROOT, relative, sources, without_comments

# Asked for in headers, but not of the namespace: each with the reason.
NO_SWITCHES = {
    "MOECLIP_SOURCE": "says which translation units hold what all others declare",
    "MOECLIP_SOURCE_PART": "says which part of it",
    "MOECLIP_DATA_DIRECTORY": "reaches an object that each translation unit has of its own, and no inline function",
    "MOECLIP_SINGLE_HEADER": "likewise: where the single header lies is where data may lie",
}


def preprocessed_name(name, *flags):
    """What the preprocessor makes of the name of the inline namespace."""
    command = [os.environ.get("CXX", "g++"), "-std=c++20", *flags, f"-I{INCLUDE.parent}", "-E", "-P", "-x", "c++", "-"]
    source = f"#include <moeclip/base/version.hpp>\nname = {name}\n"
    out = subprocess.run(command, input=source, stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(r"name = (\w+)", out).group(1)


def switches():
    """{macro: header} of all macros of ours that conditions of headers ask for and no header defines."""
    asked, defined = {}, set()
    for path in sources("include", suffixes=(".hpp", ".inl")):
        text = without_comments(path.read_text(encoding="utf-8"))
        defined |= set(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M))
        for condition in re.findall(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b((?:[^\n\\]|\\\n)*)", text, re.M):
            for macro in re.findall(r"\bMOECLIP_\w+", condition):
                asked.setdefault(macro, relative(path))
    return {macro: header for macro, header in asked.items() if macro not in defined}


def check_namespace(minor):
    """The name that sources spell has the version in it; what the compiler sees is another with each switch."""
    name = re.search(r"inline namespace (\w+)", NAMESPACE).group(1)
    wanted = f"abi_v{minor.replace('.', '_')}"
    if name != wanted:
        yield f"tools/dev/cpp_source.py: sources are in {name}, version {minor} wants {wanted}"
    plain = preprocessed_name(name)
    if not plain.startswith(f"{wanted}_"):
        yield f"include/moeclip/base/version.hpp: {name} becomes {plain}, which does not begin with {wanted}_"
    found = switches()
    flags = {f"-D{macro}": f"{header}: {macro}" for macro, header in found.items() if macro not in NO_SWITCHES}
    flags["-fno-exceptions"] = "include/moeclip/base/version.hpp: -fno-exceptions"
    names = {plain: "no switch"}
    for flag, what in flags.items():
        text = preprocessed_name(name, flag)
        if text in names:
            yield f"{what} changes nothing in the name of the namespace, {text}: the same as with {names[text]}"
        names[text] = what


def main():
    header = (INCLUDE / "base" / "version.hpp").read_text(encoding="utf-8")
    numbers = [re.search(rf"MOECLIP_VERSION_{part} (\d+)", header).group(1) for part in ("MAJOR", "MINOR", "PATCH")]
    version, minor = ".".join(numbers), ".".join(numbers[:2])

    changelog = (ROOT / "tools/packaging/CHANGELOG.md").read_text(encoding="utf-8")
    date = re.search(rf"^## {re.escape(version)} - (\S+)", changelog, re.M)
    date = date.group(1) if date else "nothing in the CHANGELOG"

    # (file, pattern with the version as its group, what it must be, whether it must be there)
    places = [
        ("include/moeclip/base/version.hpp", r'MOECLIP_VERSION_STRING "([^"]*)"', version, True),
        ("meson.build", r"^\s*version: '([^']*)'", version, True),
        ("CMakeLists.txt", r"project\(moeclip VERSION ([^ )]+)", "${moeclip_version}", True),
        ("tests/consume/find_package/CMakeLists.txt", r"find_package\(moeclip ([0-9.]+)", minor, True),
        ("README.md", r"find_package\(moeclip ([0-9.]+)", minor, False),
        ("README.md", r"moeclip[ -]v?(\d+\.\d+\.\d+)", version, False),
        ("README.md", r"GIT_TAG\s+v?([0-9.]+)", version, False),
        ("tools/packaging/README.md", r"moeclip-(\d+\.\d+\.\d+)", version, True),
        ("tools/packaging/README.md", r"find_package\(moeclip ([0-9.]+)", minor, True),
        ("tools/packaging/CHANGELOG.md", r"\A.*\n\n## ([0-9.]+) - ", version, True),
        ("tools/packaging/vcpkg/moeclip/vcpkg.json", r'"version-semver": "([^"]*)"', version, True),
        ("tools/packaging/debian/changelog", r"\Amoeclip \(([^-]*)-", version, True),
        ("tools/infer/moeclip-infer.1", r'"moeclip ([^"]*)"', version, True),
        ("tools/infer/moeclip-infer.1", r"^\.TH \S+ 1 (\S+)", date, True),
        (".github/CITATION.cff", r"^version: (\S+)", version, True),
        (".github/CITATION.cff", r"^date-released: (\S+)", date, True),
        ("tools/moeclip/man_page.cpp", r'kPageDate = "([^"]*)"', date, True),
    ]
    wrong = []
    for name, pattern, wanted, needed in places:
        path = ROOT / name
        found = re.findall(pattern, path.read_text(encoding="utf-8"), re.M) if path.exists() else []
        wrong += [f"{name}: says {text}, it should say {wanted}" for text in found if text != wanted]
        if needed and not found:
            wrong.append(f"{name}: states no version")

    wrong += check_namespace(minor)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"check_versions: {version}, {len(wrong)} places disagree")
    sys.exit(1 if wrong else 0)


main()
