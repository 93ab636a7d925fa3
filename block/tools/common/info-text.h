// Facts of drivers as text for people.
#ifndef BLOCK_TOOLS_COMMON_INFO_TEXT_H
#define BLOCK_TOOLS_COMMON_INFO_TEXT_H

#include "block/info.h"

#include <string>

namespace tools {

// Returns one line per fact, "name: value". Dashes in names become spaces, and nested facts are
// indented by four more columns. Every line begins with `indent` spaces and ends with a line feed.
std::string format_fields(const block::InfoFields& fields, unsigned indent);

} // namespace tools

#endif
