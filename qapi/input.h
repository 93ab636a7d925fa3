// Input: a JSON value on its way into a C++ value, with the path that error messages name.
//
// Generated read() functions take their members out of an ObjectInput. Error texts are the ones QMP
// users know: "Parameter 'addr.path' is missing".
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

// What JSON calls a value. Names of `alternate` types decide by it.
enum class JsonKind { null, boolean, number, string, array, object };

// A view: the JSON value and the parent outlive it. One thread at a time.
class Input {
public:
  enum class Form {
    json, // numbers and booleans are JSON numbers and booleans
    text, // command line: every scalar is a string, "on" and "off" are booleans
  };
  explicit Input(const nlohmann::json& value, Form form = Form::json)
      : value_(&value), form_(form) {}

  const nlohmann::json& value() const { return *value_; }
  Form form() const { return form_; }
  JsonKind kind() const;
  // Where the value stands below the arguments: "addr.path", "items[2]"; empty for the arguments.
  std::string path() const;

  // A part of this value; `name` outlives the result.
  Input member(std::string_view name, const nlohmann::json& value) const;
  Input element(std::size_t index, const nlohmann::json& value) const;

  // "Invalid parameter type for 'PATH', expected: EXPECTED".
  block::Error wrong_type(std::string_view expected) const;
  // "Parameter 'PATH' does not accept value 'VALUE'", for enums.
  block::Error wrong_value(std::string_view value) const;

private:
  const nlohmann::json* value_;
  Form form_;
  const Input* parent_ = nullptr;
  std::string_view name_;
  std::optional<std::size_t> index_; // absent: a member
};

block::Result<void> read(const Input& input, std::string& value);
block::Result<void> read(const Input& input, bool& value);
block::Result<void> read(const Input& input, std::int64_t& value);
block::Result<void> read(const Input& input, std::uint64_t& value);
block::Result<void> read(const Input& input, double& value);
// Nested objects and lists become dotted keys: {"file": {"filename": "d"}} is file.filename=d,
// booleans are on and off, null is the empty text. Errors: an empty object, a key given twice.
block::Result<void> read(const Input& input, block::Options& value);

// The elements of a list one by one; `read_element` is called with each, and stops at an error.
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

// The members of an object. Each is asked for once; finish() refuses those nobody asked for.
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
  // "Parameter 'x' is unexpected" for the first member nobody asked for.
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
