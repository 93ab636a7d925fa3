// Converts options to types of the schema, and back.
#include "qapi/command-line.h"

#include "qapi/json/parser.h"

#include <nlohmann/json.hpp>

namespace qapi {

block::Result<OptionsInput> OptionsInput::open(const block::Options& options) {
  auto root = std::make_unique<nlohmann::json>(nlohmann::json::object());
  for (const auto& [key, value] : options.entries()) {
    nlohmann::json* place = root.get();
    std::size_t begin = 0;
    for (std::size_t dot; (dot = key.find('.', begin)) != std::string::npos; begin = dot + 1) {
      place = &(*place)[key.substr(begin, dot - begin)];
      if (!place->is_object() && !place->is_null()) break;
    }
    if (place->is_string() || place->contains(key.substr(begin)))
      return block::Error(block::ErrorKind::invalid_argument,
                          "Parameter '" + key + "' contradicts another parameter");
    (*place)[key.substr(begin)] = value;
  }
  return OptionsInput(std::move(root));
}

OptionsInput OptionsInput::of_text(std::string text) {
  return OptionsInput(std::make_unique<nlohmann::json>(std::move(text)));
}

OptionsInput::OptionsInput(std::unique_ptr<nlohmann::json> json) : json_(std::move(json)) {}
OptionsInput::OptionsInput(OptionsInput&&) noexcept = default;
OptionsInput& OptionsInput::operator=(OptionsInput&&) noexcept = default;
OptionsInput::~OptionsInput() = default;

Input OptionsInput::root() const {
  return Input(*json_, Input::Form::text);
}

block::Result<block::Options> options_of(const nlohmann::ordered_json& object) {
  const nlohmann::json json = object;
  block::Options options;
  BLOCK_TRY(read(Input(json), options));
  return options;
}

block::Result<block::Options> options_from_json(std::string_view text) {
  BLOCK_TRY_ASSIGN(const nlohmann::json json, parse_json(text));
  block::Options options;
  BLOCK_TRY(read(Input(json), options));
  return options;
}

} // namespace qapi
