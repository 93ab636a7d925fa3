// WriteRequest: the steps of a deduplicated write, in the order of their calls.
#include "block/qcow2-dedup/write-request.h"

#include "block/util/zero.h"

#include <algorithm>
#include <cstring>

namespace qcow2_dedup {

using block::AlignedBuffer;
using block::IoVector;
using qcow2::L2Entry;
using qcow2::MappedRange;

WriteRequest::WriteRequest(Deduplicator& dedup, qcow2::Disk& disk)
    : dedup_(dedup), disk_(disk), image_(disk.image) {}

Result<std::uint64_t> WriteRequest::rescan(std::span<const GuestCluster> clusters) {
  BLOCK_TRY(gather_stored(clusters));
  read_stored();
  find_content();
  if (slots_.empty()) return std::uint64_t{0};
  image_.file().event(block::DebugEvent::dedup_scan);
  dedup_.counters().scanned_clusters.add(slots_.size());
  fingerprint();
  BLOCK_TRY(work_off());
  return slots_.size() * image_.cluster_size().bytes();
}

Result<void> WriteRequest::work_off() {
  do {
    Result<void> done = image_.begin_change();
    if (done) done = resolve();
    if (done && dedup_.confirms_matches()) done = confirm();
    if (done) report_duplicates();
    if (done) done = store();
    if (done) done = link();
    if (!done) {
      abandon();
      return done;
    }
  } while (wait_for_others());
  return {};
}

Result<void> WriteRequest::gather(GuestOffset offset, const IoVector& vector) {
  block::ClusterSize size = image_.cluster_size();
  auto range = qcow2::ClusterRange::touched(size, offset, vector.size());
  slots_.resize(range.count());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.guest = range.first + i;
    GuestOffset start = size.start(slot.guest);
    bool whole = start >= offset && (start + size.bytes()) - offset <= vector.size();
    if (whole) slot.data = vector.contiguous(start - offset, size.bytes());
    if (slot.data) continue;
    AlignedBuffer& buffer = joined_.emplace_back(size.bytes());
    slot.data = buffer.data();
    if (whole) {
      vector.copy_to(start - offset, buffer.span());
      continue;
    }
    dedup_.counters().missing_data_reads.add();
    BLOCK_TRY(qcow2::read_and_join(disk_, slot.guest, offset, vector, buffer.span()));
  }
  find_content();
  return {};
}

Result<void> WriteRequest::gather_stored(std::span<const GuestCluster> clusters) {
  const block::ClusterSize size = image_.cluster_size();
  auto metadata = image_.lock();
  for (GuestCluster guest : clusters) {
    BLOCK_TRY_ASSIGN(MappedRange range,
                     disk_.mapping(metadata).range(size.start(guest), size.bytes()));
    if (range.kind != MappedRange::Kind::data) continue;
    HostCluster host = size.containing(*range.host);
    BLOCK_TRY_ASSIGN(bool lacking, dedup_.lacks_fingerprint(metadata, host));
    if (!lacking) continue;
    Slot& slot = slots_.emplace_back();
    slot.guest = guest;
    slot.host = host;
    slot.rescanned = true;
  }
  metadata->trim_caches();
  return {};
}

// Reads neighbours in one piece, or one by one if that fails.
void WriteRequest::read_stored() {
  for (std::size_t first = 0; first < slots_.size();) {
    std::size_t next = first + 1;
    while (next < slots_.size() && slots_[next].host == slots_[first].host + (next - first))
      ++next;
    if (!read_neighbours(first, next))
      for (std::size_t i = first; i < next; ++i)
        (void)read_neighbours(i, i + 1); // a cluster that cannot be read stays as it is
    first = next;
  }
  std::erase_if(slots_, [](const Slot& slot) { return slot.data == nullptr; });
  for (Slot& slot : slots_)
    slot.host = HostCluster();
}

bool WriteRequest::read_neighbours(std::size_t first, std::size_t next) {
  std::size_t bytes = image_.cluster_size().bytes();
  HostOffset place = image_.cluster_size().start(slots_[first].host);
  AlignedBuffer memory((next - first) * bytes);
  if (!image_.data().read(place, memory.span())) return false;
  // The fingerprint makes later writes share the cluster, so it must be that of the durable
  // content.
  Result<bool> held = image_.data().is_on_medium(place, memory.span());
  if (!held || !*held) return false;
  for (std::size_t i = first; i < next; ++i)
    slots_[i].data = memory.data() + (i - first) * bytes;
  joined_.push_back(std::move(memory));
  return true;
}

void WriteRequest::find_content() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (dedup_.detects_zeroes() &&
        block::buffer_is_zero({slot.data, image_.cluster_size().bytes()})) {
      slot.state = State::zero;
      continue;
    }
    hashed_slots_.push_back(i);
    hashed_clusters_.push_back(slot.data);
  }
  hashes_.resize(hashed_clusters_.size());
}

void WriteRequest::hash_ahead() {
  if (hashed_clusters_.size() >= dedup::HashHelper::batch_clusters)
    hashing_.emplace(dedup_.hash_helper(), hashed_clusters_, image_.cluster_size().bytes(),
                     hashes_);
}

void WriteRequest::fingerprint() {
  if (hashing_)
    hashing_->finish();
  else
    dedup_.hasher().fingerprint(hashed_clusters_, image_.cluster_size().bytes(), hashes_);
  fingerprints_.resize(slots_.size());
  for (std::size_t i = 0; i < hashed_slots_.size(); ++i) {
    fingerprints_[hashed_slots_[i]] = hashes_[i];
    // A zero fingerprint would match the table entry of every cluster without fingerprint.
    slots_[hashed_slots_[i]].unshareable = hashes_[i].is_zero();
  }
}

Result<void> WriteRequest::resolve() {
  auto metadata = image_.lock();
  GuestCluster first = slots_.front().guest;
  BLOCK_TRY(disk_.mapping(metadata).prepare(first, slots_.back().guest + 1 - first));
  dedup::Lookups lookups(dedup_.index(metadata), fingerprints_);
  std::optional<HostCluster> likely;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.state == State::unresolved)
      BLOCK_TRY(resolve_slot(metadata, slot, lookups[i], likely));
    likely.reset();
    if (slot.state == State::shared) likely = slot.host + 1;
  }
  BLOCK_TRY(allocate(metadata));
  metadata->trim_caches();
  return {};
}

Result<void> WriteRequest::resolve_slot(Metadata& metadata, Slot& slot,
                                        dedup::Lookups::Lookup content,
                                        std::optional<HostCluster> likely) {
  // The entry is looked up anew for each slot: sharing for an earlier slot may have cleared its
  // COPIED.
  BLOCK_TRY_ASSIGN(L2Entry old, disk_.mapping(metadata).entry(slot.guest));
  std::optional<HostCluster> old_host;
  if (old.is_data()) old_host = image_.cluster_size().containing(*old.host_offset());
  if (!slot.unshareable) {
    if (old_host) {
      if (dedup_.holds(metadata, *old_host, content)) {
        slot.state = State::same;
        slot.host = *old_host;
        return {};
      }
    }
    BLOCK_TRY_ASSIGN(std::optional<HostCluster> shared, dedup_.share(metadata, content, likely));
    if (shared) {
      slot.state = State::shared;
      slot.host = *shared;
      return {};
    }
    auto begun = dedup_.in_flight(metadata).begin(content.fingerprint());
    if (auto* other = std::get_if<dedup::InFlight::Handle>(&begun)) {
      slot.state = State::waiting;
      slot.writer = std::move(*other);
      return {};
    }
    slot.ticket = std::move(std::get<dedup::InFlight::Ticket>(begun));
  }
  if (slot.rescanned) {
    // Content that differs from other content with the same fingerprint gets no fingerprint.
    slot.state = slot.unshareable ? State::done : State::kept;
    slot.host = *old_host;
    return {};
  }
  slot.state = State::stored;
  if (old_host && old.copied()) {
    BLOCK_TRY(metadata.allocator().check_data_place(*old_host));
    dedup_.content_changes(metadata, *old_host);
    slot.host = *old_host;
  } else {
    slot.fresh = true;
  }
  return {};
}

Result<void> WriteRequest::allocate(Metadata& metadata) {
  std::vector<Slot*> wanting;
  for (Slot& slot : slots_)
    if (slot.state == State::stored && slot.fresh && slot.host == HostCluster())
      wanting.push_back(&slot);
  for (std::size_t done = 0; done < wanting.size();) {
    BLOCK_TRY_ASSIGN(auto run, metadata.allocator().allocate_up_to(wanting.size() - done));
    for (std::uint64_t i = 0; i < run.clusters; ++i)
      wanting[done++]->host = run.first + i;
  }
  return {};
}

WriteRequest::Match WriteRequest::compare(const Slot& slot, const dedup::Fingerprint& fingerprint) {
  dedup_.counters().verify_reads.add();
  HostOffset place = image_.cluster_size().start(slot.host);
  AlignedBuffer stored(image_.cluster_size().bytes());
  if (!image_.data().read(place, stored.span())) return Match::wrong;
  const bool same = std::memcmp(stored.data(), slot.data, stored.size()) == 0;
  if (same && !dedup_.distrusts_page_cache()) return Match::confirmed;
  if (same) {
    Result<bool> held = image_.data().is_on_medium(place, stored.span());
    if (held && *held) return Match::confirmed;
    if (!held && held.error().kind() == block::ErrorKind::unsupported) return Match::uncertain;
  }
  dedup_.counters().verify_mismatches.add();
  const std::byte* cluster = stored.data();
  dedup::Fingerprint actual;
  dedup_.hasher().fingerprint({&cluster, 1}, stored.size(), {&actual, 1});
  const bool collision = !same && actual == fingerprint;
  return collision ? Match::uncertain : Match::wrong;
}

// Each compared cluster has a reference taken for this request, or is mapped at a guest cluster
// that this request has locked. So it is not freed or overwritten meanwhile.
Result<void> WriteRequest::confirm() {
  bool mismatch = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if ((slot.state != State::shared && slot.state != State::same) || slot.confirmed) continue;
    Match match = compare(slot, fingerprints_[i]);
    slot.confirmed = match == Match::confirmed;
    if (slot.confirmed) continue;
    mismatch = true;
    auto metadata = image_.lock();
    if (slot.state == State::shared) dedup_.unshare(metadata, slot.host);
    if (match == Match::wrong) dedup_.forget(metadata, slot.host);
    slot.state = State::unresolved;
    slot.unshareable = true;
    slot.host = HostCluster();
  }
  // Resolved again at once: nothing else may be decided in between for the clusters that stay.
  return mismatch ? resolve() : Result<void>();
}

void WriteRequest::report_duplicates() {
  if (std::ranges::any_of(slots_, [](const Slot& slot) { return slot.state == State::shared; }))
    image_.file().event(block::DebugEvent::dedup_found);
}

Result<void> WriteRequest::store() {
  std::size_t bytes = image_.cluster_size().bytes();
  std::vector<qcow2::DataWrite> writes;
  for (const Slot& slot : slots_)
    if (slot.state == State::stored)
      writes.push_back({image_.cluster_size().start(slot.host), IoVector(slot.data, bytes)});
  std::size_t stored = writes.size();
  BLOCK_TRY(image_.data().write(std::move(writes)));
  dedup_.count_stored(stored);
  return {};
}

Result<void> WriteRequest::link() {
  image_.file().event(block::DebugEvent::dedup_link);
  auto metadata = image_.lock();
  for (std::size_t i = 0; i < slots_.size(); ++i)
    BLOCK_TRY(link_slot(metadata, slots_[i], fingerprints_[i]));
  metadata->trim_caches();
  return {};
}

Result<void> WriteRequest::link_slot(Metadata& metadata, Slot& slot,
                                     const dedup::Fingerprint& fingerprint) {
  HostOffset offset = image_.cluster_size().start(slot.host);
  switch (slot.state) {
  case State::unresolved:
  case State::waiting:
  case State::done:
    return {};
  case State::same:
    break;
  case State::zero:
    BLOCK_TRY(qcow2::replace_entry(metadata, disk_, slot.guest, L2Entry::zeros()));
    break;
  case State::shared: {
    BLOCK_TRY_ASSIGN(L2Entry old, disk_.mapping(metadata).entry(slot.guest));
    BLOCK_TRY(qcow2::replace_entry(metadata, disk_, slot.guest, L2Entry::data(offset, false)));
    // A zero entry may have kept the same cluster, and was counted as its owner already.
    if (old.host_offset() == offset) dedup_.unshare(metadata, slot.host);
    break;
  }
  case State::kept:
    dedup_.remember(metadata, slot.host, fingerprint, {disk_.root, slot.guest});
    dedup_.in_flight(metadata).finish(std::move(*slot.ticket), true);
    slot.ticket.reset();
    break;
  case State::stored:
    if (slot.fresh)
      BLOCK_TRY(qcow2::replace_entry(metadata, disk_, slot.guest, L2Entry::data(offset, true)));
    if (!slot.unshareable)
      dedup_.remember(metadata, slot.host, fingerprint, {disk_.root, slot.guest});
    if (slot.ticket) dedup_.in_flight(metadata).finish(std::move(*slot.ticket), true);
    slot.ticket.reset();
    break;
  }
  count(slot);
  slot.state = State::done;
  return {};
}

void WriteRequest::count(const Slot& slot) {
  dedup::Counters& counters = dedup_.counters();
  bool linked = slot.state == State::shared;
  bool zero = slot.state == State::zero;
  if (slot.rescanned) {
    if (linked || zero) counters.scan_deduplicated_clusters.add();
    return;
  }
  if (linked || slot.state == State::same) counters.deduplicated_clusters.add();
  if (zero) counters.zero_clusters.add();
  if (slot.state == State::stored) counters.undeduplicated_clusters.add();
}

void WriteRequest::abandon() {
  auto metadata = image_.lock();
  for (Slot& slot : slots_) {
    // A reference or cluster that cannot be given back is a leak, which check finds. The error that
    // led here is the one to report.
    if (slot.state == State::shared) dedup_.unshare(metadata, slot.host);
    if (slot.state == State::stored && slot.fresh && slot.host != HostCluster())
      (void)metadata->allocator().release_unused(slot.host, 1);
    if (slot.ticket) dedup_.in_flight(metadata).finish(std::move(*slot.ticket), false);
    slot.ticket.reset();
  }
}

bool WriteRequest::wait_for_others() {
  auto waiting = std::find_if(slots_.begin(), slots_.end(),
                              [](const Slot& slot) { return slot.state == State::waiting; });
  if (waiting == slots_.end()) return false;
  auto metadata = image_.lock();
  // The result does not matter here: the slot is resolved anew in either case.
  (void)dedup_.in_flight(metadata).wait(*waiting->writer, metadata.mutex());
  for (Slot& slot : slots_)
    if (slot.state == State::waiting) {
      slot.state = State::unresolved;
      slot.writer.reset();
    }
  return true;
}

} // namespace qcow2_dedup
