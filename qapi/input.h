// Input: a JSON value that is converted to a C++ value, with its path for error messages.
//
// Generated read() functions take members from an ObjectInput. Error texts are those that QMP users
// know: "Parameter 'addr.path' is missing".
#ifndef QAPI_INPUT_H
#define QAPI_INPUT_H

#include "block/options.h"
#include "block/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qapi {

// The JSON type of a value. It selects the member of an `alternate` type.
enum class JsonKind { null, boolean, number, string, array, object };

// A view: the JSON value and the parent must outlive it. One thread at a time.
class Input {
public:
  enum class Form {
    json, // numbers and booleans are JSON numbers and booleans
    text, // command line: every scalar is a string, and booleans are "on" and "off"
  };
  explicit Input(const nlohmann::json& value, Form form = Form::json)
      : value_(&value), form_(form) {}

  const nlohmann::json& value() const { return *value_; }
  Form form() const { return form_; }
  JsonKind kind() const;
  // The position of the value below the arguments: "addr.path", "items[2]"; empty for the
  // arguments.
  std::string path() const;

  // A part of this value. `name` must outlive the result.
  Input member(std::string_view name, const nlohmann::json& value) const;
  Input element(std::size_t index, const nlohmann::json& value) const;

  // Returns the error "Invalid parameter type for 'PATH', expected: EXPECTED".
  block::Error wrong_type(std::string_view expected) const;
  // Returns the error "Parameter 'PATH' does not accept value 'VALUE'", for enums.
  block::Error wrong_value(std::string_view value) const;

private:
  const nlohmann::json* value_;
  Form form_;
  const Input* parent_ = nullptr;
  std::string_view name_;
  std::optional<std::size_t> index_; // absent: the value is a member
};

block::Result<void> read(const Input& input, std::string& value);
block::Result<void> read(const Input& input, bool& value);
block::Result<void> read(const Input& input, std::int64_t& value);
block::Result<void> read(const Input& input, std::uint64_t& value);
block::Result<void> read(const Input& input, double& value);
// Nested objects and lists become dotted keys: {"file": {"filename": "d"}} is file.filename=d.
// Booleans become on and off, null becomes the empty text. Errors: an empty object, a key given
// twice.
block::Result<void> read(const Input& input, block::Options& value);

// The elements of a list. Calls `read_element` for each one, and stops at an error.
class ArrayInput {
public:
  static block::Result<ArrayInput> open(const Input& input);
  std::size_t size() const;
  Input operator[](std::size_t index) const;

private:
  explicit ArrayInput(const Input& input) : input_(&input) {}
  const Input* input_;
};

template <typename T>
block::Result<void> read(const Input& input, std::vector<T>& value) {
  BLOCK_TRY_ASSIGN(const ArrayInput array, ArrayInput::open(input));
  for (std::size_t i = 0; i < array.size(); ++i) {
    T element{};
    BLOCK_TRY(read(array[i], element));
    value.push_back(std::move(element));
  }
  return {};
}

// The members of an object. Each may be taken once. finish() returns an error if a member was not
// taken.
class ObjectInput {
public:
  static block::Result<ObjectInput> open(const Input& input);

  template <typename T>
  block::Result<void> required(std::string_view name, T& value) {
    const nlohmann::json* found = find(name);
    if (!found) return missing(name);
    return read(input_->member(name, *found), value);
  }
  template <typename T>
  block::Result<void> optional(std::string_view name, std::optional<T>& value) {
    const nlohmann::json* found = find(name);
    if (!found) return {};
    return read(input_->member(name, *found), value.emplace());
  }
  template <typename T>
  block::Result<void> optional(std::string_view name, std::shared_ptr<T>& value) {
    const nlohmann::json* found = find(name);
    if (!found) return {};
    value = std::make_shared<T>();
    return read(input_->member(name, *found), *value);
  }
  // Returns the error "Parameter 'x' is unexpected" for the first member that was not taken.
  block::Result<void> finish() const;

private:
  explicit ObjectInput(const Input& input) : input_(&input) {}
  const nlohmann::json* find(std::string_view name);
  block::Error missing(std::string_view name) const;

  const Input* input_;
  std::vector<std::string_view> asked_;
};

} // namespace qapi

#endif
