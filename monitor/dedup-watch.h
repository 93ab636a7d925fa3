// DedupWatch: what clients know of deduplication, and so which events are news to them.
#ifndef MONITOR_DEDUP_WATCH_H
#define MONITOR_DEDUP_WATCH_H

#include "block/info.h"
#include "qapi/dispatcher.h"
#include "qapi/types.h"

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

  // Tells clients what they do not know yet of a node: its status, and the life of its job. A scan
  // that began and ended since the last look is told, too. `now`: absent if the node is closed.
  void look_at(const std::string& node_name, const std::optional<block::DedupInfo>& now);

private:
  struct Known {
    std::optional<block::DedupStatus> status;
    std::optional<qapi::JobStatus> job;
    std::uint64_t scans = 0; // DedupScan::begun
  };

  void tell_job(const std::string& node_name, qapi::JobStatus status);
  void tell_end_of_job(const std::string& node_name, bool complete);

  const Tell tell_;
  std::map<std::string, Known> known_; // by node name; no longer than there are nodes
};

} // namespace monitor

#endif
