// The facts that drivers tell, as people read them.
#ifndef BLOCK_TOOLS_COMMON_INFO_TEXT_H
#define BLOCK_TOOLS_COMMON_INFO_TEXT_H

#include "block/info.h"

#include <string>

namespace tools {

// One line a fact, "name: value", a dash in a name shown as a space; nested facts four columns
// further right. Every line ends with a line feed and begins with `indent` spaces.
std::string format_fields(const block::InfoFields& fields, unsigned indent);

} // namespace tools

#endif
