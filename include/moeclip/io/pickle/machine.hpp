// SPDX-License-Identifier: MIT
#pragma once
// Reads the pickles that torch.save (protocols 0 to 5) and TorchScript write, as data: a stack machine that knows the
// opcodes for plain values, containers and the few calls of build.hpp, checks the kind of every operand, and
// refuses everything else by name. Opcodes: Python's Lib/pickletools.py.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "../bytes.hpp"
#include "../utf8.hpp"
#include "build.hpp"
#include "graph.hpp"
#include "literals.hpp"
#include "stack.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A pickle that was read: its values and where they begin. `graph` refers to the bytes of the pickle.
struct Pickle {
  PickleGraph graph;
  PickleRef root = 0;
  std::uint64_t size = 0;  // bytes up to and including STOP
};

namespace detail {

/// Name of an opcode that is not read, for messages.
inline std::string_view pickle_opcode_name(std::uint8_t opcode) {
  switch (opcode) {
    case '0': return "POP";
    case '1': return "POP_MARK";
    case '2': return "DUP";
    case 'i': return "INST (creates an object)";
    case 'o': return "OBJ (creates an object)";
    case 0x82: return "EXT1";
    case 0x83: return "EXT2";
    case 0x84: return "EXT4";
    case 0x92: return "NEWOBJ_EX (creates an object)";
    case 0x97: return "NEXT_BUFFER";
    case 0x98: return "READONLY_BUFFER";
    default: return "no opcode of Python's pickle";
  }
}

class PickleMachine {
 public:
  PickleMachine(Bytes bytes, std::string_view source, bool is_script)
      : bytes_(bytes),
        reader_(bytes, concat(source, ": pickle")),
        pickle_{PickleGraph(bytes.size(), std::string(source))},
        build_(pickle_.graph),
        is_script_(is_script),
        stack_(source) {}

  Pickle run() {
    std::uint8_t opcode = 0;
    while ((opcode = reader_.u8()) != '.') step(opcode);
    pickle_.root = pop();
    if (!stack_.is_empty()) build_.refuse("values are left over at its end");
    pickle_.size = reader_.offset();
    return std::move(pickle_);
  }

 private:
  static constexpr std::size_t kLongestInteger = 64;  // bytes; honest ones have up to about ten
  static constexpr std::size_t kLongestFloat = 400;   // digits

  void step(std::uint8_t opcode) {
    if (step_value(opcode) || step_container(opcode) || step_memo(opcode) || step_call(opcode)) return;
    const auto name = pickle_opcode_name(opcode);
    fail(ErrorCode::unsupported,
         concat(pickle_.graph.source(), ": pickle: opcode ", int{opcode}, " at offset ", reader_.offset() - 1, ", ",
                name, ", is not among what torch writes for tensors; nothing in a file is ever run"));
  }

  // ---- plain values ----
  bool step_value(std::uint8_t opcode) {
    switch (opcode) {
      case 'N': push(PickleKind::none); return true;
      case 0x88: push_integer(1, PickleKind::boolean); return true;
      case 0x89: push_integer(0, PickleKind::boolean); return true;
      case 'K': push_integer(reader_.u8()); return true;
      case 'M': push_integer(reader_.u16le()); return true;
      case 'J': push_integer(static_cast<std::int32_t>(reader_.u32le())); return true;
      case 0x8a: push_long(reader_.u8()); return true;
      case 0x8b: push_long(reader_.u32le()); return true;
      case 'I': push_decimal(line()); return true;
      case 'L': push_decimal(without_suffix(line())); return true;
      case 'G': push_real(std::bit_cast<double>(reader_.u64be())); return true;
      case 'F': push_real_text(line()); return true;
      default: return step_text(opcode);
    }
  }

  bool step_text(std::uint8_t opcode) {
    switch (opcode) {
      case 'X': push_text(reader_.u32le()); return true;
      case 0x8c: push_text(reader_.u8()); return true;
      case 0x8d: push_text(reader_.u64le()); return true;
      case 'U': push_text(reader_.u8()); return true;  // strings of Python 2
      case 'T': push_text(reader_.u32le()); return true;
      case 'S': push_quoted(line()); return true;
      case 'V': push_escaped(line()); return true;
      case 'C': push_bytes(reader_.u8()); return true;
      case 'B': push_bytes(reader_.u32le()); return true;
      case 0x8e: push_bytes(reader_.u64le()); return true;
      case 0x96: push_bytes(reader_.u64le()); return true;
      default: return false;
    }
  }

  // ---- containers ----
  bool step_container(std::uint8_t opcode) {
    switch (opcode) {
      case '(': stack_.mark(); return true;
      case ')': push(PickleKind::tuple); return true;
      case ']': push(PickleKind::list); return true;
      case '}': push(PickleKind::dict); return true;
      case 0x8f: push(PickleKind::list); return true;  // EMPTY_SET
      case 't': collect(PickleKind::tuple, stack_.pop_mark()); return true;
      case 'l': collect(PickleKind::list, stack_.pop_mark()); return true;
      case 0x91: collect(PickleKind::list, stack_.pop_mark()); return true;  // FROZENSET
      case 'd': collect(PickleKind::dict, stack_.pop_mark()); return true;
      case 0x85: collect(PickleKind::tuple, stack_.from_top(1)); return true;
      case 0x86: collect(PickleKind::tuple, stack_.from_top(2)); return true;
      case 0x87: collect(PickleKind::tuple, stack_.from_top(3)); return true;
      case 'a': extend(PickleKind::list, stack_.from_top(1)); return true;
      case 'e': extend(PickleKind::list, stack_.pop_mark()); return true;
      case 0x90: extend(PickleKind::list, stack_.pop_mark()); return true;  // ADDITEMS
      case 's': extend(PickleKind::dict, stack_.from_top(2)); return true;
      case 'u': extend(PickleKind::dict, stack_.pop_mark()); return true;
      default: return false;
    }
  }

  // ---- memo ----
  bool step_memo(std::uint8_t opcode) {
    switch (opcode) {
      case 'p': stack_.memoize(memo_number(line())); return true;
      case 'q': stack_.memoize(reader_.u8()); return true;
      case 'r': stack_.memoize(reader_.u32le()); return true;
      case 0x94: stack_.memoize(); return true;
      case 'g': stack_.recall(memo_number(line())); return true;
      case 'h': stack_.recall(reader_.u8()); return true;
      case 'j': stack_.recall(reader_.u32le()); return true;
      default: return false;
    }
  }

  // ---- names, calls, and the frame around them ----
  bool step_call(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80: expect_protocol(reader_.u8()); return true;
      case 0x95: expect_frame(reader_.u64le()); return true;
      case 'c': {
        const std::string_view module = line();
        push_name(module, line());
        return true;
      }
      case 0x93: {
        const std::string_view name = pop_text("STACK_GLOBAL");
        push_name(pop_text("STACK_GLOBAL"), name);
        return true;
      }
      case 'P': push_ref(build_.storage(line())); return true;
      case 'Q': push_ref(build_.storage(pop())); return true;
      case 'R': {
        const PickleRef arguments = pop();
        push_ref(build_.reduce(pop(), arguments));
        return true;
      }
      case 0x81: new_object(); return true;
      case 'b': {
        const PickleRef state = pop();
        build_.build(stack_.top(), state);
        return true;
      }
      default: return false;
    }
  }

  void expect_protocol(std::uint8_t protocol) const {
    if (protocol > 5)
      fail(ErrorCode::unsupported,
           concat(pickle_.graph.source(), ": pickle protocol ", int{protocol}, "; 0 to 5 are read"));
  }

  void expect_frame(std::uint64_t size) const {
    if (size > reader_.left())
      build_.refuse(concat("a frame of ", counted(size, "byte"), ", but only ", reader_.left(), " are left"));
  }

  /// A script module: NEWOBJ on its class without arguments; BUILD brings the attributes.
  void new_object() {
    const PickleRef arguments = pop(), type = pop();
    const PickleNode& node = pickle_.graph[type];
    if (node.kind != PickleKind::global || node.global.name != PickleName::script_class)
      build_.refuse("NEWOBJ creates something that is not a TorchScript module");
    build_.expect(arguments, PickleKind::tuple, "NEWOBJ: the arguments");
    if (pickle_.graph[arguments].count != 0) build_.refuse("NEWOBJ: a TorchScript module with arguments");
    push(PickleKind::object);
  }

  void push_name(std::string_view module, std::string_view name) {
    PickleNode node;
    node.kind = PickleKind::global;
    node.global = build_.name(module, name, is_script_);
    node.text = name;
    push_ref(pickle_.graph.add(node));
  }

  // ---- stack and memo ----
  void push_ref(PickleRef ref) { stack_.push(ref); }
  void push(PickleKind kind) { stack_.push(pickle_.graph.add(kind)); }
  PickleRef pop() { return stack_.pop(); }

  /// Makes a container of the values from `place` up.
  void collect(PickleKind kind, std::size_t place) {
    const PickleRef container = pickle_.graph.add(kind);
    stack_.move_into(pickle_.graph, container, place);
    stack_.push(container);
  }
  /// Adds the values from `place` up to the container below them.
  void extend(PickleKind kind, std::size_t place) {
    const PickleRef container = stack_.below(place);
    build_.expect(container, kind, "what gets items");
    stack_.move_into(pickle_.graph, container, place);
  }

  std::size_t memo_number(std::string_view digits) const {
    const auto number = parse_number<std::size_t>(digits);
    if (!number) build_.refuse(concat("a memo is numbered ", in_quotes(digits)));
    return *number;
  }

  // ---- literals ----
  /// Up to a line feed, which is consumed.
  std::string_view line() {
    const std::string_view rest = as_text(bytes_).substr(static_cast<std::size_t>(reader_.offset()));
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) build_.refuse(concat("truncated inside a line", kCutAdvice));
    reader_.skip(end + 1);
    return rest.substr(0, end);
  }

  void push_integer(std::int64_t value, PickleKind kind = PickleKind::integer) {
    PickleNode node;
    node.kind = kind;
    node.integer = value;
    push_ref(pickle_.graph.add(node));
  }

  void push_big(std::string_view digits) {
    PickleNode node;
    node.kind = PickleKind::integer;
    node.is_big = true;
    node.text = digits;
    push_ref(pickle_.graph.add(node));
  }

  /// Decimal digits; "00" and "01" are how protocols 0 and 1 spell False and True.
  void push_decimal(std::string_view digits) {
    if (digits == "00" || digits == "01") return push_integer(digits == "01", PickleKind::boolean);
    if (!is_decimal(digits)) build_.refuse(concat("an integer is ", in_quotes(digits)));
    if (digits.size() > 3 * kLongestInteger) fail_limit("digits in an integer", 3 * kLongestInteger);
    const auto value = parse_number<std::int64_t>(digits);
    value ? push_integer(*value) : push_big(digits);
  }

  static std::string_view without_suffix(std::string_view digits) {
    return digits.ends_with('L') ? digits.substr(0, digits.size() - 1) : digits;
  }

  void push_long(std::uint64_t size) {
    if (size > kLongestInteger) fail_limit("bytes in an integer", kLongestInteger);
    const Bytes bytes = reader_.take(size);
    size <= 8 ? push_integer(small_long(bytes)) : push_big(pickle_.graph.keep(big_long(bytes)));
  }

  void push_real(double value) {
    PickleNode node;
    node.kind = PickleKind::real;
    node.real = value;
    push_ref(pickle_.graph.add(node));
  }

  void push_real_text(std::string_view digits) {
    const auto value = parse_number<double>(digits.substr(0, kLongestFloat + 1));
    if (!value || digits.size() > kLongestFloat) build_.refuse(concat("a float is ", in_quotes(digits)));
    push_real(*value);
  }

  void push_string(PickleKind kind, std::string_view text) {
    PickleNode node;
    node.kind = kind;
    node.text = text;
    push_ref(pickle_.graph.add(node));
  }
  void push_text(std::uint64_t size) {
    const std::string_view text = as_text(reader_.take(size));
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = utf8_length(text.substr(at));
      if (length == 0) build_.refuse(concat("a string is not UTF-8: ", in_quotes(text)));
      at += length;
    }
    push_string(PickleKind::text, text);
  }
  void push_bytes(std::uint64_t size) { push_string(PickleKind::bytes, as_text(reader_.take(size))); }

  void push_quoted(std::string_view text) {
    const auto inside = unquote(text);
    if (!inside) build_.refuse(concat("a string of Python 2 that is not understood: ", in_quotes(text)));
    push_string(PickleKind::text, *inside);
  }

  void push_escaped(std::string_view text) {
    auto decoded = decode_raw_unicode_escape(text);
    if (!decoded) build_.refuse(concat("a string with a broken escape: ", in_quotes(text)));
    push_string(PickleKind::text, pickle_.graph.keep(std::move(*decoded)));
  }

  std::string_view pop_text(std::string_view what) {
    const PickleRef ref = pop();
    build_.expect(ref, PickleKind::text, what);
    return pickle_.graph[ref].text;
  }

  [[noreturn]] void fail_limit(std::string_view what, std::size_t most) const {
    fail(ErrorCode::limit, concat(pickle_.graph.source(), ": pickle: more than ", most, " ", what));
  }

  Bytes bytes_;
  ByteReader reader_;
  Pickle pickle_;
  PickleBuilder build_;
  bool is_script_;
  PickleStack stack_;
};

}  // namespace detail

/// Reads the pickle at the start of `bytes`, which must outlive the result. `is_script` admits TorchScript classes.
/// Throws format if it is broken, unsupported for any opcode or name that does not build tensors, limit if it holds
/// more values than its size or honest files warrant.
inline Pickle read_pickle(Bytes bytes, std::string_view source, bool is_script = false) {
  return detail::PickleMachine(bytes, source, is_script).run();
}

}}  // namespace moeclip::abi_v0_1
