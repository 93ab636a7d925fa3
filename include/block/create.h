// What the creation of an image takes: options and preallocation.
#ifndef BLOCK_CREATE_H
#define BLOCK_CREATE_H

#include "block/result.h"

#include <string>

namespace block {

// One option that `create -o` takes.
struct CreateOption {
  enum class Type { text, size, number, boolean };
  std::string name;
  Type type;
  std::string help;
  // Printed in "Formatting ..." and used if the option is not given. Empty: the option is left out
  // unless it is given.
  std::string default_value;
};

enum class Preallocation { off, metadata, falloc, full };
// Errors: invalid_argument.
Result<Preallocation> parse_preallocation(const std::string& text);

} // namespace block

#endif
