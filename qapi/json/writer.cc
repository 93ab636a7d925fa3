// Writes JSON text. The punctuation is written here, strings and numbers by nlohmann.
#include "qapi/json/writer.h"

#include <nlohmann/json.hpp>

namespace qapi {
namespace {

// Recursion is bounded: input is at most max_json_depth deep, and output is as deep as the schema.
template <typename Json>
void write(std::string& text, const Json& value) {
  const char* separator = "";
  if (value.is_object()) {
    text += '{';
    for (const auto& [name, member] : value.items()) {
      text.append(separator).append(json_string(name)).append(": ");
      write(text, member);
      separator = ", ";
    }
    text += '}';
  } else if (value.is_array()) {
    text += '[';
    for (const Json& element : value) {
      text += separator;
      write(text, element);
      separator = ", ";
    }
    text += ']';
  } else {
    text += value.dump(-1, ' ', true, Json::error_handler_t::replace);
  }
}

template <typename Json>
std::string text_of(const Json& value) {
  std::string text;
  write(text, value);
  return text;
}

} // namespace

std::string json_text(const nlohmann::ordered_json& value) {
  return text_of(value);
}
std::string json_text(const nlohmann::json& value) {
  return text_of(value);
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

} // namespace qapi
