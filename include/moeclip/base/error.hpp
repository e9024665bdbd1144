// SPDX-License-Identifier: MIT
#pragma once
// How the library reports errors. A caller who breaks a contract and a file that is broken both lead to an `Error`,
// with a code and a message that a person can act on. Bugs of the library itself trip MOECLIP_ASSERT, which exists in
// checked builds only.
//
// Without exceptions (-fno-exceptions) `fail` calls the handler set by `set_error_handler`; it must not return, and
// the default one ends the program after writing the message to stderr, because nothing else is left to do.

#include <stdexcept>
#include <string>
#include <utility>

#include "text.hpp"
#include "version.hpp"

#if !MOECLIP_HAS_EXCEPTIONS
#include <atomic>
#include <cstdio>
#include <cstdlib>
#endif

namespace moeclip { inline namespace abi_v0_1 {

/// What kind of thing went wrong.
enum class ErrorCode {
  contract,     ///< the caller broke a documented precondition (shape, null, range)
  io,           ///< the operating system refused: missing file, no permission, full disk
  format,       ///< the bytes are not what their format promises: truncated, corrupt, contradictory
  unsupported,  ///< well-formed, but of a kind that this library does not read
  limit,        ///< larger than the documented limits, or than what the file can hold
  missing,      ///< a tensor, key or entry that is needed is not there
  mismatch,     ///< two things that must fit together do not: shapes, widths, vocabularies
};

/// Name of a code, for messages and machine-readable output.
MOECLIP_COLD inline const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::contract: return "contract";
    case ErrorCode::io: return "io";
    case ErrorCode::format: return "format";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::limit: return "limit";
    case ErrorCode::missing: return "missing";
    case ErrorCode::mismatch: return "mismatch";
  }
  return "unknown";
}

/// The one exception type of the library. `what()` says which file, what was found, what was wanted, what to do.
class Error : public std::runtime_error {
 public:
  /// An error to be thrown or handed to the handler; fail() does both.
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /// The kind of error, for programs to look at; what() is for people.
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

#if !MOECLIP_HAS_EXCEPTIONS

/// What `fail` calls without exceptions. It must not return.
using ErrorHandler = void (*)(const Error&);

namespace detail {
inline std::atomic<ErrorHandler> error_handler{nullptr};
}

/// Sets what `fail` calls when the program is built without exceptions. The handler must not return.
inline void set_error_handler(ErrorHandler handler) { detail::error_handler.store(handler); }

#endif

/// Throws `Error{code, message}` (or calls the handler, see above). Never returns.
[[noreturn]] void fail(ErrorCode code, const std::string& message);

namespace detail {
/// `fail` with a message in pieces: one call where a contract is checked, nothing to clean up.
[[noreturn]] void fail_joined(ErrorCode code, std::initializer_list<Piece> pieces);

template <class... Pieces>
[[noreturn]] MOECLIP_COLD void fail_contract(const Pieces&... pieces) {
  fail_joined(ErrorCode::contract, {Piece(pieces)...});
}
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_BASE)

namespace moeclip { inline namespace abi_v0_1 {

[[noreturn]] MOECLIP_COLD MOECLIP_FUNC void fail(ErrorCode code, const std::string& message) {
#if MOECLIP_HAS_EXCEPTIONS
  throw Error(code, message);
#else
  const Error error(code, message);
  if (const ErrorHandler handler = detail::error_handler.load()) handler(error);
  std::fprintf(stderr, "moeclip: %s\n", error.what());
  std::abort();
#endif
}

[[noreturn]] MOECLIP_COLD MOECLIP_FUNC void detail::fail_joined(ErrorCode code, std::initializer_list<Piece> pieces) {
  fail(code, join(pieces));
}

}}  // namespace moeclip::abi_v0_1

#endif

/// Contract of a public function, always checked. The message may be pieces: MOECLIP_EXPECT(n > 0, "n is ", n).
#define MOECLIP_EXPECT(condition, ...)               \
  do {                                               \
    if (!(condition)) [[unlikely]]                   \
      ::moeclip::detail::fail_contract(__VA_ARGS__); \
  } while (false)

/// Internal invariant: a failure is a bug in this library. On with MOECLIP_ENABLE_ASSERT, otherwise not evaluated.
#if defined(MOECLIP_ENABLE_ASSERT)
#define MOECLIP_ASSERT(condition)                                                                \
  do {                                                                                           \
    if (!(condition)) [[unlikely]]                                                               \
      ::moeclip::fail(::moeclip::ErrorCode::contract, "internal assertion failed: " #condition); \
  } while (false)
#else
#define MOECLIP_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#endif
