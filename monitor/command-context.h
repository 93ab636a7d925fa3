// CommandContext: the objects that handlers of QMP commands use.
#ifndef MONITOR_COMMAND_CONTEXT_H
#define MONITOR_COMMAND_CONTEXT_H

#include "block/export/registry.h"
#include "block/graph.h"
#include "block/job.h"
#include "qapi/types.h"

#include <functional>

namespace monitor {

// All members outlive the context. Handlers use it on the monitor's thread.
class CommandContext {
public:
  block::Graph& graph;
  block::JobList& jobs;
  exports::ExportRegistry& exports;
  // Requests the end of the program and returns at once.
  std::function<void(qapi::ShutdownCause)> quit;
};

} // namespace monitor

#endif
