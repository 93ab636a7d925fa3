// ContentEvents: the events that an image reports to a feature that keeps facts about data clusters
// (deduplication).
#ifndef BLOCK_QCOW2_CONTENT_EVENTS_H
#define BLOCK_QCOW2_CONTENT_EVENTS_H

#include "block/qcow2/format.h"

namespace qcow2 {

class Metadata;
class Root;

// A guest cluster of one root.
struct Owner {
  Root& root;
  GuestCluster guest;
};

// All functions are called with the metadata lock held.
class ContentEvents {
public:
  virtual ~ContentEvents() = default;
  // The cluster is about to be overwritten in place. The facts about its content must be dropped
  // now, before the first byte changes.
  virtual void content_changes(Metadata& metadata, HostCluster cluster) = 0;
  // The clusters are about to hold something else, data or metadata. Everything that is stored
  // about them must be dropped now.
  virtual void clusters_allocated(Metadata& metadata, HostCluster first,
                                  std::uint64_t clusters) = 0;
  // Called before data is stored whose fingerprint is not recorded, and again after the data is
  // linked, unless the write fails. A scan must find this data later.
  virtual void data_written(Metadata& metadata) = 0;
  // The content of these clusters could not be read.
  virtual void content_unreadable(Metadata& metadata, HostCluster first,
                                  std::uint64_t clusters) = 0;
  // An L2 entry names the host cluster now. `first`: it is the only entry that does.
  virtual void reference_added(Metadata& metadata, HostCluster host, bool first) = 0;
  // The owner no longer refers to the host cluster, which has `left` references now. If `left` is
  // 0, the cluster may be reused after the next write-back.
  virtual void reference_dropped(Metadata& metadata, Owner owner, HostCluster host,
                                 std::uint64_t left) = 0;
  // The owner's L2 entry received COPIED: it is the host cluster's only owner.
  virtual void became_only_owner(Metadata& metadata, Owner owner, HostCluster host) = 0;
};

} // namespace qcow2

#endif
