// WriteRequest: one piece of a deduplicated write, from its bytes to its L2 entries; or clusters
// that were stored without deduplication, which is the same work without the writing.
//
// Every cluster of the piece goes through these states:
//
//     unresolved --> same      the guest cluster holds this content already: nothing to do
//                --> zero      becomes a zero entry
//                --> shared    a stored cluster has this content; a reference is taken
//                --> stored    new content, written in place or to a newly allocated cluster
//                --> kept      new content where it is stored already: it only gets a fingerprint
//                --> waiting   another request is just writing this content
//
// resolve() decides under the metadata lock, confirm() and store() do data I/O without it, link()
// enters the results under the lock. A request finishes everything it stores itself before it waits
// for another (see dedup/in-flight.h); what it waited for is resolved again.
#ifndef BLOCK_QCOW2_DEDUP_WRITE_REQUEST_H
#define BLOCK_QCOW2_DEDUP_WRITE_REQUEST_H

#include "block/qcow2-dedup/deduplicator.h"

#include <optional>
#include <span>
#include <vector>

namespace qcow2_dedup {

class WriteRequest {
public:
  explicit WriteRequest(Deduplicator& dedup);

  // A write, in these steps and this order; the memory of `vector` stays until the last. The guest
  // clusters have been taken by the caller.
  Result<void> gather(GuestOffset offset, const block::IoVector& vector);
  // May be left out. The helper begins with the fingerprints, if there are enough for it.
  void hash_ahead();
  void fingerprint();
  Result<void> work_off();

  // Or all of this in one: clusters that ascend and have no fingerprint; those that turn out
  // otherwise, cannot be read, or are not on the medium as they are read are left alone. Returns
  // how many bytes were read.
  Result<std::uint64_t> rescan(std::span<const GuestCluster> clusters);

private:
  enum class State { unresolved, same, zero, shared, stored, kept, waiting, done };

  struct Slot {
    GuestCluster guest;
    const std::byte* data = nullptr; // the whole cluster
    State state = State::unresolved;
    HostCluster host;
    bool fresh = false;     // stored: allocated for this request
    bool rescanned = false; // `data` is what the guest cluster holds
    bool lonely = false;    // has no fingerprint, or a match proved false: stored without one
    bool confirmed = false; // same, shared: the bytes were compared
    std::optional<dedup::InFlight::Ticket> ticket; // stored: others may wait for it
    std::optional<dedup::InFlight::Handle> writer; // waiting: for whom
  };

  Result<void> gather_stored(std::span<const GuestCluster> clusters)
      EXCLUDES(dedup_.disk.image.metadata_mutex);
  void read_stored();
  // Slots [first, next); false if their clusters cannot be read.
  bool read_neighbours(std::size_t first, std::size_t next);
  // Finds out which slots have content to hash, and which are zeros.
  void find_content();
  Result<void> resolve() EXCLUDES(dedup_.disk.image.metadata_mutex);
  // `likely`: see Deduplicator::share().
  Result<void> resolve_slot(Slot& slot, dedup::Lookups::Lookup content,
                            std::optional<HostCluster> likely)
      REQUIRES(dedup_.disk.image.metadata_mutex);
  Result<void> allocate() REQUIRES(dedup_.disk.image.metadata_mutex);
  Result<void> confirm() EXCLUDES(dedup_.disk.image.metadata_mutex);
  // What comparing bytes says of an entry that has the content's fingerprint.
  enum class Match {
    confirmed,
    wrong,     // the cluster does not hold what the entry says, or cannot be read
    uncertain, // the entry is right and its content another one, or the medium cannot be read
  };
  Match compare(const Slot& slot, const dedup::Fingerprint& fingerprint);
  void tell_of_duplicates();
  Result<void> store();
  Result<void> link() EXCLUDES(dedup_.disk.image.metadata_mutex);
  Result<void> link_slot(Slot& slot, const dedup::Fingerprint& fingerprint)
      REQUIRES(dedup_.disk.image.metadata_mutex);
  // What became of a slot when it was linked.
  void count(const Slot& slot);
  // After an error: gives back what was taken for slots that are not linked.
  void abandon() EXCLUDES(dedup_.disk.image.metadata_mutex);
  // Waits for one other request, if any slot must; false if none must.
  bool wait_for_others() EXCLUDES(dedup_.disk.image.metadata_mutex);

  Deduplicator& dedup_;
  qcow2::Image& image_;
  // Clusters that the request covers in part or in pieces, or that were read.
  std::vector<block::AlignedBuffer> joined_;
  std::vector<Slot> slots_;
  std::vector<dedup::Fingerprint> fingerprints_; // of the slots; all zero where it has none
  // Of the slots with content, in order:
  std::vector<std::size_t> hashed_slots_;
  std::vector<const std::byte*> hashed_clusters_;
  std::vector<dedup::Fingerprint> hashes_;
  std::optional<dedup::HashHelper::Task> hashing_; // after the vectors it works on
};

} // namespace qcow2_dedup

#endif
