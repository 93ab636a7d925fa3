// Result<T>: a value, or the Error that prevented it.
#ifndef BLOCK_RESULT_H
#define BLOCK_RESULT_H

#include "block/error.h"

#include <optional>
#include <utility>
#include <variant>

namespace block {

template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Only when not ok().
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }

  // Only when not ok().
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

private:
  std::optional<Error> error_;
};

} // namespace block

// BLOCK_TRY(f()); returns f's error to the caller if there is one.
#define BLOCK_TRY(expression)                                                                      \
  do {                                                                                             \
    if (auto block_try_result = (expression); !block_try_result)                                   \
      return std::move(block_try_result).error();                                                  \
  } while (false)

#define BLOCK_TRY_JOIN2(a, b) a##b
#define BLOCK_TRY_JOIN(a, b) BLOCK_TRY_JOIN2(a, b)
#define BLOCK_TRY_ASSIGN2(temporary, declaration, expression)                                      \
  auto temporary = (expression);                                                                   \
  if (!temporary) return std::move(temporary).error();                                             \
  declaration = std::move(temporary).value()

// BLOCK_TRY_ASSIGN(auto x, f()); declares x with f's value, or returns f's error to the caller.
#define BLOCK_TRY_ASSIGN(declaration, expression)                                                  \
  BLOCK_TRY_ASSIGN2(BLOCK_TRY_JOIN(block_try_, __LINE__), declaration, expression)

#endif
