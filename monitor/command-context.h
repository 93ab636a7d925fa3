// CommandContext: what the handlers of QMP commands work on.
#ifndef MONITOR_COMMAND_CONTEXT_H
#define MONITOR_COMMAND_CONTEXT_H

#include "block/export/registry.h"
#include "block/graph.h"
#include "qapi/types.h"

#include <functional>

namespace monitor {

// Everything it names outlives it. Handlers use it on the monitor's thread.
class CommandContext {
public:
  block::Graph& graph;
  exports::ExportRegistry& exports;
  // Whether an NBD server runs in this process; fixed at its start.
  bool serves_nbd;
  // Asks the program to end, and returns at once.
  std::function<void(qapi::ShutdownCause)> quit;
};

} // namespace monitor

#endif
