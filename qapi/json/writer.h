// JSON text for other programs: one line of pure ASCII that is always valid JSON.
#ifndef QAPI_JSON_WRITER_H
#define QAPI_JSON_WRITER_H

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace qapi {

// Separates the parts by ", " and ": ", as QMP does. Characters outside ASCII become \u escapes,
// and bytes that are not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& value);
std::string json_text(const nlohmann::json& value);
// Returns a text as a JSON string, with its quotes.
std::string json_string(std::string_view text);

} // namespace qapi

#endif
