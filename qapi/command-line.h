// Converts options to types of the schema, and back. The command line is one form of options:
// "type=nbd,id=e,node-name=d" or a JSON object.
#ifndef QAPI_COMMAND_LINE_H
#define QAPI_COMMAND_LINE_H

#include "qapi/input.h"

#include <memory>
#include <string_view>

namespace qapi {

// Options as a JSON value for read(): dotted keys become objects, and values stay text.
class OptionsInput {
public:
  // Errors: a key that is both a value and an object ("addr=x,addr.path=y").
  static block::Result<OptionsInput> open(const block::Options& options);
  // One value that is no object.
  static OptionsInput of_text(std::string text);
  OptionsInput(OptionsInput&&) noexcept;
  OptionsInput& operator=(OptionsInput&&) noexcept;
  ~OptionsInput();
  Input root() const; // valid while this object lives

private:
  explicit OptionsInput(std::unique_ptr<nlohmann::json> json);
  std::unique_ptr<nlohmann::json> json_;
};

// Converts options to a type of the schema that is marked "command-line" or used in arguments, as
// in from_options<BlockExportOptions>(). Errors as in QMP: unknown, missing and invalid parameters.
template <typename T>
block::Result<T> from_options(const block::Options& options) {
  BLOCK_TRY_ASSIGN(const OptionsInput input, OptionsInput::open(options));
  T value;
  BLOCK_TRY(read(input.root(), value));
  return value;
}

// A value of a schema type that one text describes: an enum, out of the name of its value. Errors
// as in QMP.
template <typename T>
block::Result<T> from_text(std::string text) {
  const OptionsInput input = OptionsInput::of_text(std::move(text));
  T value{};
  BLOCK_TRY(read(input.root(), value));
  return value;
}

// A JSON object as options: the inverse of OptionsInput. The generated to_options() functions use
// it for values of types that are marked "command-line", for a layer that does not know the schema.
block::Result<block::Options> options_of(const nlohmann::ordered_json& object);

// Converts the text of a JSON object to options, as in --blockdev '{"driver": ...}' and
// "json:{...}". Nested members get dotted keys. The text may be hostile; json/parser.h describes
// the limits.
block::Result<block::Options> options_from_json(std::string_view text);

} // namespace qapi

#endif
