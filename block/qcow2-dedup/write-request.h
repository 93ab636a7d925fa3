// WriteRequest: one piece of a deduplicated write, from its bytes to its L2 entries. It also
// handles clusters that were stored without deduplication, which is the same work without the
// writing.
//
// Every cluster of the piece passes through these states:
//
//     unresolved --> same      the guest cluster holds this content already: nothing to do
//                --> zero      becomes a zero entry
//                --> shared    a stored cluster has this content; a reference is taken
//                --> stored    new content, written in place or to a newly allocated cluster
//                --> kept      new content that is stored already: it only gets a fingerprint
//                --> waiting   another request is writing this content
//
// resolve() decides under the metadata lock, confirm() and store() do data I/O without it, and
// link() enters the results under the lock. A request completes everything that it stores itself
// before it waits for another one (see dedup/in-flight.h). A cluster that has waited is resolved
// again.
#ifndef BLOCK_QCOW2_DEDUP_WRITE_REQUEST_H
#define BLOCK_QCOW2_DEDUP_WRITE_REQUEST_H

#include "block/qcow2-dedup/deduplicator.h"
#include "block/qcow2/disk.h"

#include <optional>
#include <span>
#include <vector>

namespace qcow2_dedup {

class WriteRequest {
public:
  WriteRequest(Deduplicator& dedup, qcow2::Disk& disk);

  // A write, in these steps and this order. The memory of `vector` must stay valid until the last
  // step. The caller must have locked the guest clusters.
  Result<void> gather(GuestOffset offset, const block::IoVector& vector);
  // Optional: starts the hashing on the helper thread, if there are enough clusters for it.
  void hash_ahead();
  void fingerprint();
  Result<void> work_off();

  // Alternatively, all steps in one call, for clusters in ascending order without a fingerprint.
  // The caller must have locked them. Clusters that have a fingerprint by now, that cannot be read,
  // or that differ on the medium are left alone. Returns the number of bytes read.
  Result<std::uint64_t> rescan(std::span<const GuestCluster> clusters);

private:
  enum class State { unresolved, same, zero, shared, stored, kept, waiting, done };

  struct Slot {
    GuestCluster guest;
    const std::byte* data = nullptr; // the whole cluster
    State state = State::unresolved;
    HostCluster host;
    bool fresh = false;     // stored: allocated for this request
    bool rescanned = false; // `data` is the present content of the guest cluster
    // The content has no fingerprint, or a match proved false. So it shares no cluster, and it is
    // stored without a fingerprint.
    bool unshareable = false;
    bool confirmed = false; // same, shared: a comparison of the bytes confirmed the match
    std::optional<dedup::InFlight::Ticket> ticket; // stored: others may wait for this ticket
    std::optional<dedup::InFlight::Handle>
        writer; // waiting: the request that is writing the content
  };

  Result<void> gather_stored(std::span<const GuestCluster> clusters);
  void read_stored();
  // Reads the slots [first, next). Returns false if their clusters cannot be read.
  bool read_neighbours(std::size_t first, std::size_t next);
  // Determines which slots have content to hash, and which are zeros.
  void find_content();
  Result<void> resolve();
  // `likely`: see Deduplicator::share().
  Result<void> resolve_slot(Metadata& metadata, Slot& slot, dedup::Lookups::Lookup content,
                            std::optional<HostCluster> likely);
  Result<void> allocate(Metadata& metadata);
  Result<void> confirm();
  // Result of comparing the bytes of a cluster whose entry has the content's fingerprint.
  enum class Match {
    confirmed,
    wrong,     // the cluster differs from its entry, or cannot be read
    uncertain, // the entry is correct and the content differs, or the medium cannot be read
  };
  Match compare(const Slot& slot, const dedup::Fingerprint& fingerprint);
  void report_duplicates();
  Result<void> store();
  Result<void> link();
  Result<void> link_slot(Metadata& metadata, Slot& slot, const dedup::Fingerprint& fingerprint);
  // Counts the result of a slot when it is linked.
  void count(const Slot& slot);
  // After an error: gives back what was taken for slots that are not linked.
  void abandon();
  // Waits for one other request, if any slot has to. Returns false if no slot has to.
  bool wait_for_others();

  Deduplicator& dedup_;
  qcow2::Disk& disk_;
  qcow2::Image& image_;
  // Clusters that the request covers in part or in pieces, or that were read from the file.
  std::vector<block::AlignedBuffer> joined_;
  std::vector<Slot> slots_;
  std::vector<dedup::Fingerprint> fingerprints_; // of the slots; all zero where it has none
  // Of the slots with content, in order:
  std::vector<std::size_t> hashed_slots_;
  std::vector<const std::byte*> hashed_clusters_;
  std::vector<dedup::Fingerprint> hashes_;
  std::optional<dedup::HashHelper::Task> hashing_; // after the vectors that it uses
};

} // namespace qcow2_dedup

#endif
