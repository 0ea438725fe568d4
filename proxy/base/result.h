// The one error type of the data path: Result<T> holds a value or an Error. No exceptions are
// thrown on the path of a call; they are left to start-up and to bugs. Code is for tests, metrics
// and audit; text is for people.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace mandated {

/// Why an operation failed. Closed set: metrics and audit use the names as labels.
enum class Code {
  kEnd,            ///< the peer ended the stream cleanly where more was expected
  kReset,          ///< the connection or stream was cut
  kCancelled,      ///< we gave up ourselves (drain, local close)
  kTimeout,        ///< a deadline passed
  kRefused,        ///< the peer could not be connected to
  kHandshake,      ///< TLS handshake failed
  kPeerIdentity,   ///< the peer's certificate is no acceptable SVID, or names the wrong SPIFFE ID
  kMalformed,      ///< the input violates its grammar
  kTooLarge,       ///< a configured limit was exceeded
  kProtocol,       ///< well-formed, but not allowed in this state of the protocol
  kUnsupported,    ///< a valid request for something that is not offered here
  kNotFound,       ///< no such route, session or file
  kOverloaded,     ///< a bound on concurrency or memory is reached; try later
  kUnavailable,    ///< the upstream cannot be used now
  kDenied,         ///< policy says no
  kStorage,        ///< the audit file or state folder cannot be written
  kInvalidConfig,  ///< the configuration is wrong
  kInternal,       ///< a bug of ours
};

/// Whose fault an error is: decides the answer's status and whether a retry makes sense.
enum class Side { kDownstream, kUpstream, kLocal };

struct Error {
  Code code = Code::kInternal;
  Side side = Side::kLocal;
  std::string text;
};

template <class T>
using Result = tl::expected<T, Error>;
using Failure = tl::unexpected<Error>;

[[nodiscard]] inline Failure fail(Code code, Side side, std::string text) {
  return Failure(Error{code, side, std::move(text)});
}
[[nodiscard]] inline Failure fail(Code code, std::string text) {
  return Failure(Error{code, Side::kLocal, std::move(text)});
}

/// snake_case name of a code, as it stands in metrics and audit records.
std::string_view to_string(Code code);

/// Always-on check for our own bugs, never for input: prints and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace mandated

#define MANDATED_ASSERT(expression) \
  ((expression) ? void(0) : ::mandated::assertion_failed(#expression, __FILE__, __LINE__))

#define MANDATED_JOIN_(a, b) a##b
#define MANDATED_JOIN(a, b) MANDATED_JOIN_(a, b)

// In a coroutine: bind the value, or co_return the error. Name the awaited thing, then await it
// (gcc 12.2 destroys some temporaries in co_await expressions twice).
#define CO_TRY_(result, declaration, expression)                      \
  auto result = (expression);                                         \
  if (!result) co_return ::tl::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
#define CO_TRY(declaration, expression) \
  CO_TRY_(MANDATED_JOIN(result_, __LINE__), declaration, expression)

// In a coroutine: go on, or co_return the error.
#define CO_CHECK_(result, expression) \
  auto result = (expression);         \
  if (!result) co_return ::tl::unexpected(std::move(result).error())
#define CO_CHECK(expression) CO_CHECK_(MANDATED_JOIN(result_, __LINE__), expression)

// The same two for plain functions.
#define TRY_(result, declaration, expression)                      \
  auto result = (expression);                                      \
  if (!result) return ::tl::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
#define TRY(declaration, expression) TRY_(MANDATED_JOIN(result_, __LINE__), declaration, expression)
#define CHECK_(result, expression) \
  auto result = (expression);      \
  if (!result) return ::tl::unexpected(std::move(result).error())
#define CHECK(expression) CHECK_(MANDATED_JOIN(result_, __LINE__), expression)
