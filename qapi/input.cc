// Input: JSON kinds, paths for messages, and the built-in types.
#include "qapi/input.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

namespace qapi {
namespace {

block::Error invalid(std::string message) {
  return block::Error(block::ErrorKind::invalid_argument, std::move(message));
}

// Parses the whole text as a number of type T, or returns nothing.
template <typename T>
std::optional<T> parse_number(const std::string& text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <typename T>
block::Result<void> read_integer(const Input& input, T& value, const char* range) {
  const nlohmann::json& json = input.value();
  const block::Error out_of_range =
      invalid("Parameter '" + input.path() + "' expects an integer from " + range);
  if (input.form() == Input::Form::text && json.is_string()) {
    const auto number = parse_number<T>(json.get_ref<const std::string&>());
    if (!number) return out_of_range;
    value = *number;
    return {};
  }
  if (!json.is_number_integer()) return input.wrong_type("integer");
  const bool fits =
      json.is_number_unsigned()
          ? json.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())
          : std::numeric_limits<T>::is_signed || json.get<std::int64_t>() >= 0;
  if (!fits) return out_of_range;
  value = json.get<T>();
  return {};
}

// Converts one JSON value to options below `key`. Recursion is bounded: parsed input is at most
// max_json_depth deep.
block::Result<void> flatten(const nlohmann::json& json, const std::string& key,
                            block::Options& options) {
  const auto child = [&](const std::string& name) { return key.empty() ? name : key + '.' + name; };
  if (json.is_structured() && json.empty() && !key.empty())
    return invalid("Parameter '" + key + "' is empty");
  if (json.is_object()) {
    for (const auto& [name, value] : json.items()) {
      if (name.empty()) return invalid("Parameter '" + child(name) + "' is unexpected");
      BLOCK_TRY(flatten(value, child(name), options));
    }
    return {};
  }
  if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i)
      BLOCK_TRY(flatten(json[i], child(std::to_string(i)), options));
    return {};
  }
  if (options.contains(key)) return invalid("Parameter '" + key + "' is given twice");
  if (json.is_string())
    options.set(key, json.get<std::string>());
  else if (json.is_boolean())
    options.set(key, json.get<bool>() ? "on" : "off");
  else if (json.is_null())
    options.set(key, "");
  else
    options.set(key, json.dump());
  return {};
}

} // namespace

JsonKind Input::kind() const {
  if (value_->is_null()) return JsonKind::null;
  if (value_->is_boolean()) return JsonKind::boolean;
  if (value_->is_number()) return JsonKind::number;
  if (value_->is_string()) return JsonKind::string;
  return value_->is_array() ? JsonKind::array : JsonKind::object;
}

std::string Input::path() const {
  if (!parent_) return {};
  std::string path = parent_->path();
  if (index_) return path + '[' + std::to_string(*index_) + ']';
  if (!path.empty()) path += '.';
  return path.append(name_);
}

Input Input::member(std::string_view name, const nlohmann::json& value) const {
  Input result(value, form_);
  result.parent_ = this;
  result.name_ = name;
  return result;
}

Input Input::element(std::size_t index, const nlohmann::json& value) const {
  Input result(value, form_);
  result.parent_ = this;
  result.index_ = index;
  return result;
}

block::Error Input::wrong_type(std::string_view expected) const {
  const std::string where = parent_ ? path() : "arguments";
  return invalid("Invalid parameter type for '" + where + "', expected: " + std::string(expected));
}

block::Error Input::wrong_value(std::string_view value) const {
  return invalid("Parameter '" + path() + "' does not accept value '" + std::string(value) + "'");
}

block::Result<void> read(const Input& input, std::string& value) {
  if (!input.value().is_string()) return input.wrong_type("string");
  value = input.value().get_ref<const std::string&>();
  return {};
}

block::Result<void> read(const Input& input, bool& value) {
  const nlohmann::json& json = input.value();
  if (input.form() == Input::Form::text && json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    const auto is_one_of = [&](std::initializer_list<const char*> words) {
      return std::find(words.begin(), words.end(), text) != words.end();
    };
    value = is_one_of({"on", "yes", "true"});
    if (!value && !is_one_of({"off", "no", "false"}))
      return invalid("Parameter '" + input.path() + "' expects 'on' or 'off'");
    return {};
  }
  if (!json.is_boolean()) return input.wrong_type("boolean");
  value = json.get<bool>();
  return {};
}

block::Result<void> read(const Input& input, std::int64_t& value) {
  return read_integer(input, value, "-9223372036854775808 to 9223372036854775807");
}

block::Result<void> read(const Input& input, std::uint64_t& value) {
  return read_integer(input, value, "0 to 18446744073709551615");
}

block::Result<void> read(const Input& input, double& value) {
  const nlohmann::json& json = input.value();
  if (input.form() == Input::Form::text && json.is_string()) {
    const auto number = parse_number<double>(json.get_ref<const std::string&>());
    if (!number) return invalid("Parameter '" + input.path() + "' expects a number");
    value = *number;
    return {};
  }
  if (!json.is_number()) return input.wrong_type("number");
  value = json.get<double>();
  return {};
}

block::Result<void> read(const Input& input, block::Options& value) {
  if (!input.value().is_object()) return input.wrong_type("object");
  return flatten(input.value(), "", value);
}

block::Result<ArrayInput> ArrayInput::open(const Input& input) {
  if (!input.value().is_array()) return input.wrong_type("array");
  return ArrayInput(input);
}

std::size_t ArrayInput::size() const {
  return input_->value().size();
}

Input ArrayInput::operator[](std::size_t index) const {
  return input_->element(index, input_->value()[index]);
}

block::Result<ObjectInput> ObjectInput::open(const Input& input) {
  if (!input.value().is_object()) return input.wrong_type("object");
  return ObjectInput(input);
}

block::Result<void> ObjectInput::finish() const {
  for (const auto& [name, value] : input_->value().items())
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end())
      return invalid("Parameter '" + input_->member(name, value).path() + "' is unexpected");
  return {};
}

const nlohmann::json* ObjectInput::find(std::string_view name) {
  asked_.push_back(name);
  const auto found = input_->value().find(name);
  return found == input_->value().end() ? nullptr : &*found;
}

block::Error ObjectInput::missing(std::string_view name) const {
  return invalid("Parameter '" + input_->member(name, input_->value()).path() + "' is missing");
}

} // namespace qapi
