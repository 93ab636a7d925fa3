// JSON text for other programs: one line, pure ASCII, never invalid.
#ifndef QAPI_JSON_WRITER_H
#define QAPI_JSON_WRITER_H

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace qapi {

// ", " and ": " between the parts, as QMP clients are used to. Characters outside ASCII are \u
// escapes; bytes that are not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& value);
std::string json_text(const nlohmann::json& value);
// A text as a JSON string, with its quotes.
std::string json_string(std::string_view text);

} // namespace qapi

#endif
