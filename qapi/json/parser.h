// Parses JSON from outside: nlohmann behind limits it does not have itself.
#ifndef QAPI_JSON_PARSER_H
#define QAPI_JSON_PARSER_H

#include "block/result.h"

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace qapi {

// The value of a text that a JsonFramer has passed. Errors (invalid_argument, "JSON parse error,
// ..."): not JSON, bad UTF-8, a key given twice in one object, an integer outside the range of
// int64 and uint64, a string with a NUL character.
block::Result<nlohmann::json> parse_frame(std::string_view text);

// The one value of a whole text, framed first: at most max_json_bytes and max_json_depth, single
// quotes allowed. Errors as above, and for text after the value.
block::Result<nlohmann::json> parse_json(std::string_view text);

} // namespace qapi

#endif
