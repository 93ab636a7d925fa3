// DedupWatch: what clients know of deduplication, and so which events are news to them.
#ifndef MONITOR_DEDUP_WATCH_H
#define MONITOR_DEDUP_WATCH_H

#include "block/info.h"
#include "qapi/dispatcher.h"

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace monitor {

// All on the monitor thread.
class DedupWatch {
public:
  using Tell = std::function<void(const qapi::Event&)>;

  explicit DedupWatch(Tell tell) : tell_(std::move(tell)) {}

  // Sends the status of a node to the clients, unless it was the last one sent. `now`: absent if
  // the node is closed.
  void look_at(const std::string& node_name, std::optional<block::DedupStatus> now);

private:
  const Tell tell_;
  std::map<std::string, block::DedupStatus> known_; // by node name; no longer than there are nodes
};

} // namespace monitor

#endif
