// Schema types from the command line: "type=nbd,id=e,node-name=d" or a JSON object.
#ifndef QAPI_COMMAND_LINE_H
#define QAPI_COMMAND_LINE_H

#include "qapi/input.h"

#include <memory>
#include <string_view>

namespace qapi {

// Options as a JSON value that read() can take apart: dotted keys become objects, values stay text.
class OptionsInput {
public:
  // Errors: a key that is both a value and an object ("addr=x,addr.path=y").
  static block::Result<OptionsInput> open(const block::Options& options);
  OptionsInput(OptionsInput&&) noexcept;
  OptionsInput& operator=(OptionsInput&&) noexcept;
  ~OptionsInput();
  Input root() const; // valid as long as this object

private:
  explicit OptionsInput(std::unique_ptr<nlohmann::json> json);
  std::unique_ptr<nlohmann::json> json_;
};

// A value of a schema type that is marked "command-line" or used in arguments, out of options, as
// in from_options<BlockExportOptions>(). Errors as in QMP: unknown, missing and unusable
// parameters.
template <typename T>
block::Result<T> from_options(const block::Options& options) {
  BLOCK_TRY_ASSIGN(const OptionsInput input, OptionsInput::open(options));
  T value;
  BLOCK_TRY(read(input.root(), value));
  return value;
}

// Options out of the text of a JSON object, as in --blockdev '{"driver": ...}' and "json:{...}":
// nested members get dotted keys. The text is hostile: see json/parser.h for its limits.
block::Result<block::Options> options_from_json(std::string_view text);

} // namespace qapi

#endif
