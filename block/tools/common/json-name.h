// "json:{...}" names: node options written as a JSON object.
#ifndef BLOCK_TOOLS_COMMON_JSON_NAME_H
#define BLOCK_TOOLS_COMMON_JSON_NAME_H

#include "block/options.h"

#include <string>

namespace tools {

// Reads the object after "json:" into dotted options: {"file": {"filename": "a"}} becomes
// file.filename=a. Strings may be in single quotes. Only for names from a command line: one found
// in an image is hostile. Errors: not an object, longer or deeper than a name needs to be.
block::Result<block::Options> parse_json_name(const std::string& name);

} // namespace tools

#endif
