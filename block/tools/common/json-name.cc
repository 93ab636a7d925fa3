// Reading "json:{...}" names.
#include "block/tools/common/json-name.h"

#include <nlohmann/json.hpp>

namespace tools {
namespace {

using block::Error;
using block::ErrorKind;

constexpr std::size_t largest_name = 64 * 1024;
constexpr unsigned deepest_nesting = 32;

// Strings in single quotes become strings in double quotes, which is all that the parser knows.
std::string with_double_quotes(std::string_view text) {
  std::string result;
  char open = 0; // the quote of the string we are in
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (open != 0 && c == '\\' && i + 1 < text.size()) {
      if (text[++i] != '\'') result.push_back('\\'); // \' is no JSON escape
      result.push_back(text[i]);
    } else if (open == 0 && (c == '\'' || c == '"')) {
      open = c;
      result.push_back('"');
    } else if (open != 0 && c == open) {
      open = 0;
      result.push_back('"');
    } else {
      if (open == '\'' && c == '"') result.push_back('\\');
      result.push_back(c);
    }
  }
  return result;
}

// Puts a value under `key` into the options, members of objects and elements of lists by dotted
// keys.
void flatten(const std::string& key, const nlohmann::json& value, block::Options& options) {
  std::string prefix = key.empty() ? "" : key + ".";
  if (value.is_object()) {
    for (const auto& [name, member] : value.items())
      flatten(prefix + name, member, options);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i)
      flatten(prefix + std::to_string(i), value[i], options);
  } else if (value.is_boolean()) {
    options.set(key, value.get<bool>() ? "on" : "off");
  } else if (value.is_string()) {
    options.set(key, value.get<std::string>());
  } else if (value.is_null()) {
    options.set(key, ""); // "backing": null means no backing file
  } else {
    options.set(key, value.dump());
  }
}

} // namespace

block::Result<block::Options> parse_json_name(const std::string& name) {
  if (name.size() > largest_name)
    return Error(ErrorKind::invalid_argument, "Could not parse the JSON options: too long");
  std::string text = with_double_quotes(std::string_view(name).substr(5));
  bool too_deep = false;
  auto limit_depth = [&too_deep](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    too_deep |= depth > static_cast<int>(deepest_nesting);
    return !too_deep;
  };
  nlohmann::json object = nlohmann::json::parse(text, limit_depth, false);
  if (object.is_discarded() || too_deep)
    return Error(ErrorKind::invalid_argument,
                 "Could not parse the JSON options: malformed or nested too deeply");
  if (!object.is_object()) return Error(ErrorKind::invalid_argument, "Invalid JSON object given");
  block::Options options;
  flatten("", object, options);
  return options;
}

} // namespace tools
