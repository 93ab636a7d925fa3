// Faults in the answers of drivers.
#include "block/node/driver-answer.h"

#include <glib.h>

namespace block {

const char* fault_of(const Error& error) {
  if (error.kind() < ErrorKind::invalid_argument || error.kind() > ErrorKind::not_dedup)
    return "an error of an unknown kind";
  if (error.errno_value() <= 0) return "an error without an errno value";
  if (error.message().empty()) return "an error without a message";
  return nullptr;
}

const char* fault_of(const BlockStatus& status, std::uint64_t bytes, const Node& node) {
  if (status.bytes == 0) return "an empty run";
  if (status.bytes > bytes) return "a run that is longer than the range";
  if (status.as_child && !node.file()) return "a run of its child \"file\", which it does not have";
  return nullptr;
}

void expect_no_fault(const char* fault, const char* entry, const Node& node) {
  if (!fault) return;
  g_error("Driver '%s', node '%s': %s returned %s", node.driver().format_name, node.name().c_str(),
          entry, fault);
}

} // namespace block
