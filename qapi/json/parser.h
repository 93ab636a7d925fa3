// Parses untrusted JSON: nlohmann, with further limits.
#ifndef QAPI_JSON_PARSER_H
#define QAPI_JSON_PARSER_H

#include "block/result.h"

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace qapi {

// Parses a text from a JsonFramer. Errors (invalid_argument, "JSON parse error, ..."): not JSON,
// invalid UTF-8, a key given twice in one object, an integer outside the range of int64 and uint64,
// a string with a NUL character.
block::Result<nlohmann::json> parse_frame(std::string_view text);

// Frames and parses a whole text that is one value of at most max_json_bytes and max_json_depth.
// Single quotes are allowed. Errors as above, and for text after the value.
block::Result<nlohmann::json> parse_json(std::string_view text);

} // namespace qapi

#endif
