// SPDX-License-Identifier: MIT
#pragma once
// Writing pickles (protocol 2) of plain values: what Python's pickle.loads and this library's reader give back. Values
// are written one after the other; containers are opened, filled and ended. Opcodes: Python's Lib/pickletools.py.

#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "../../base/error.hpp"

namespace moeclip { inline namespace abi_v0_1 {

class PickleWriter {
 public:
  PickleWriter() : out_("\x80\x02") {}

  void null() { out_ += 'N'; }
  void boolean(bool value) { out_ += value ? '\x88' : '\x89'; }

  void integer(std::int64_t value) {
    if (value >= 0 && value < 256) {
      out_ += 'K';
      little(value, 1);
    } else if (value >= 0 && value < 65536) {
      out_ += 'M';
      little(value, 2);
    } else if (std::in_range<std::int32_t>(value)) {
      out_ += 'J';
      little(value, 4);
    } else {
      out_ += "\x8a\x08";  // LONG1 of eight bytes
      little(value, 8);
    }
  }

  void real(double value) {
    out_ += 'G';
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 56; shift >= 0; shift -= 8) out_ += static_cast<char>(bits >> shift & 0xFF);
  }

  /// UTF-8.
  void text(std::string_view value) {
    MOECLIP_EXPECT(value.size() <= (std::numeric_limits<std::uint32_t>::max)(), "a text of ", value.size(),
                   " bytes is too long for a pickle");
    out_ += 'X';
    little(static_cast<std::int64_t>(value.size()), 4);
    out_ += value;
  }

  /// The Python object module.name, such as a class.
  void global(std::string_view module, std::string_view name) {
    out_ += 'c';
    out_ += module;
    out_ += '\n';
    out_ += name;
    out_ += '\n';
  }

  /// Keys and values, alternating, up to end().
  void begin_dict() { open("}(", 'u'); }
  void begin_ordered_dict() {
    global("collections", "OrderedDict");
    open(")R(", 'u');
  }
  void begin_list() { open("](", 'e'); }
  void begin_tuple() { open("(", 't'); }

  void end() {
    MOECLIP_EXPECT(!ends_.empty(), "a pickle ends a container that was not begun");
    out_ += ends_.back();
    ends_.pop_back();
  }

  /// Calls what was written before the last tuple with it: a global, then its arguments.
  void reduce() { out_ += 'R'; }

  /// Makes the last tuple a reference to an object outside of the pickle.
  void persistent_id() { out_ += 'Q'; }

  /// The pickle. Throws contract while a container is open.
  [[nodiscard]] std::string finish() {
    MOECLIP_EXPECT(ends_.empty(), "a pickle has ", ends_.size(), " containers that were not ended");
    out_ += '.';
    return std::move(out_);
  }

 private:
  void open(std::string_view opcodes, char end) {
    out_ += opcodes;
    ends_ += end;
  }

  void little(std::int64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF);
  }

  std::string out_;
  std::string ends_;  // opcodes that end what is open, outermost first
};

}}  // namespace moeclip::abi_v0_1
