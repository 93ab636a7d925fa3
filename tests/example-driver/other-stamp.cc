// A module that says it was built for another program. Nothing of it may ever run.
#include "block/module.h"

#include <cstdlib>

#undef BLOCK_MODULE_STAMP
#define BLOCK_MODULE_STAMP "qcow2-dedup 99 other-compiler 0123456789abcdef"

namespace {

[[maybe_unused]] const int runs_when_loaded = [] {
  std::abort();
  return 0;
}();

constexpr block::BlockDriver never_used = {.format_name = "never"};

} // namespace

BLOCK_MODULE(never_used)
