// DedupWatch: from statuses that follow each other to events.
#include "monitor/dedup-watch.h"

#include "monitor/node-facts.h"
#include "qapi/marshal.h"

namespace monitor {

void DedupWatch::look_at(const std::string& node_name, std::optional<block::DedupStatus> now) {
  if (!now) {
    known_.erase(node_name);
    return;
  }
  const auto [known, is_new] = known_.try_emplace(node_name, *now);
  if (!is_new && known->second == *now) return;
  known->second = *now;
  tell_(qapi::event_of(
      qapi::BlockDedupStatusChangedEvent{.node_name = node_name, .status = dedup_status(*now)}));
}

} // namespace monitor
