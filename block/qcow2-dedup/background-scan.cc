// BackgroundScan: batches of guest clusters, and the decision when to begin.
#include "block/qcow2-dedup/background-scan.h"

#include "block/qcow2-dedup/write-request.h"

#include <algorithm>

namespace qcow2_dedup {

using block::DedupScanState;
using block::DedupStatus;
using block::Error;
using block::ErrorKind;

namespace {

// Bytes that one step reads, which bounds how long a guest write may wait for it.
constexpr std::uint64_t batch_bytes = 512 * 1024;
// Entries that one step looks up, which bounds how long it holds the metadata lock.
constexpr std::uint64_t looks_per_step = 2048;
// Time for punching holes where clusters became free.
constexpr std::chrono::milliseconds most_punching_in_a_step{2};
constexpr std::chrono::milliseconds most_punching_at_end{1000};

} // namespace

BackgroundScan::BackgroundScan(block::Node& node, Deduplicator& dedup, qcow2::Disk& disk,
                               std::optional<std::uint64_t> position, std::uint64_t rate)
    : node_(node),
      dedup_(dedup),
      disk_(disk),
      pending_(position.has_value()),
      scanner_(*this, {"dedup-" + node.name(), node.jobs()}, position.value_or(0), rate) {}

void BackgroundScan::begin(const block::ResumeDedup& how) {
  if (how.scan_rate) scanner_.set_rate(*how.scan_rate);
  std::lock_guard hold(mutex_);
  std::uint64_t writes = dedup_.plain_writes();
  dedup::Scanner::Report now = scanner_.report();
  std::uint64_t from = how.scan_all || writes != covered_writes_ ? 0 : now.position;
  if (how.scan_all) pending_ = true;
  if (!pending_ && writes == covered_writes_) return;
  // A duplicate is found only if its content is in the index; begin() is called again when the
  // index is loaded or deduplication resumed.
  if (!dedup_.index_loaded() || dedup_.paused()) return;
  if (now.state != DedupScanState::idle && from == now.position) return;
  pending_ = true;
  covered_writes_ = writes;
  scanner_.start(from);
}

// begin() tests paused() and starts the scanner under mutex_, and this function cancels under
// mutex_. So no start that found deduplication not paused can follow this cancel.
void BackgroundScan::cancel() {
  std::lock_guard hold(mutex_);
  scanner_.cancel();
}

std::optional<std::uint64_t> BackgroundScan::stop() {
  scanner_.stop();
  return mark();
}

std::optional<std::uint64_t> BackgroundScan::mark() const {
  std::lock_guard hold(mutex_);
  if (dedup_.plain_writes() != covered_writes_) return 0;
  return pending_ ? std::optional(scanner_.report().position) : std::nullopt;
}

std::uint64_t BackgroundScan::first_unscanned() const {
  std::lock_guard hold(mutex_);
  if (dedup_.plain_writes() != covered_writes_ && scanner_.report().state == DedupScanState::idle)
    return 0;
  return pending_ ? scanner_.report().position : UINT64_MAX;
}

DedupStatus BackgroundScan::status() const {
  if (dedup_.paused()) return DedupStatus::paused;
  if (!dedup_.index_loaded()) return DedupStatus::starting;
  return scanner_.report().state == DedupScanState::idle ? DedupStatus::running
                                                         : DedupStatus::resuming;
}

void BackgroundScan::fill(block::DedupInfo& info) const {
  info.status = status();
  dedup::Scanner::Report now = scanner_.report();
  const std::uint64_t clusters = end();
  const std::uint64_t done = std::min(first_unscanned(), clusters);
  const block::JobProgress progress = this->progress(done);
  info.scan.state = now.state;
  info.scan.done_bytes = progress.current;
  info.scan.total_bytes = progress.total;
  info.scan.rate = now.rate;
  info.scan.error = now.error;
  info.unscanned_clusters = clusters - done;
}

Result<BackgroundScan::Batch> BackgroundScan::find_batch(GuestCluster first) {
  qcow2::Image& image = disk_.image;
  block::ClusterSize size = image.cluster_size();
  const GuestCluster end(size.clusters_for(disk_.guest_size()));
  const std::uint64_t most = std::max<std::uint64_t>(1, batch_bytes >> size.bits());
  Batch batch{{}, first};
  auto metadata = image.lock();
  auto full = [&] {
    return !batch.clusters.empty() && batch.next - batch.clusters.front() >= most;
  };
  for (std::uint64_t looks = 0; batch.next < end && looks < looks_per_step && !full(); ++looks) {
    BLOCK_TRY_ASSIGN(
        qcow2::MappedRange range,
        disk_.mapping(metadata).range(size.start(batch.next), (end - batch.next) << size.bits()));
    const std::uint64_t clusters = range.bytes >> size.bits();
    if (range.kind != qcow2::MappedRange::Kind::data) {
      batch.next += clusters;
      continue;
    }
    HostCluster host = size.containing(*range.host);
    for (std::uint64_t i = 0; i < clusters && looks < looks_per_step && !full(); ++i, ++looks) {
      BLOCK_TRY_ASSIGN(bool lacking, dedup_.lacks_fingerprint(metadata, host + i));
      if (lacking) batch.clusters.push_back(batch.next);
      ++batch.next;
    }
  }
  metadata->trim_caches();
  return batch;
}

Result<dedup::ScanWork::Step> BackgroundScan::step(std::uint64_t position) {
  Result<Step> done = share_batch(position);
  if (!done) node_.note_error(done.error());
  return done;
}

Result<dedup::ScanWork::Step> BackgroundScan::share_batch(std::uint64_t position) {
  qcow2::Image& image = disk_.image;
  BLOCK_TRY_ASSIGN(Batch batch, find_batch(GuestCluster(position)));
  std::uint64_t bytes = 0;
  if (!batch.clusters.empty()) {
    block::RangeLock::Guard taken(disk_.requests, batch.clusters.front().value(),
                                  batch.clusters.back().value() + 1,
                                  block::RangeLock::Mode::exclusive);
    BLOCK_TRY_ASSIGN(bytes, WriteRequest(dedup_, disk_).rescan(batch.clusters));
  }
  // A cluster that lost its last reference becomes free only after a write-back, which might come
  // much later.
  const bool last = batch.next.value() >= end();
  if (last) BLOCK_TRY(image.flush());
  image.return_space(last ? most_punching_at_end : most_punching_in_a_step);
  return Step{batch.next.value(), bytes};
}

std::uint64_t BackgroundScan::end() const {
  return disk_.cluster_size().clusters_for(disk_.guest_size());
}

block::JobProgress BackgroundScan::progress(std::uint64_t position) const {
  const std::uint64_t guest_size = disk_.guest_size();
  const std::uint64_t clusters = disk_.cluster_size().clusters_for(guest_size);
  if (position >= clusters) return {guest_size, guest_size};
  return {position << disk_.cluster_size().bits(), guest_size};
}

std::uint64_t BackgroundScan::guest_requests() const {
  const block::NodeStats& stats = node_.stats();
  return stats.read_operations + stats.write_operations + stats.flush_operations +
         stats.discard_operations + stats.zero_operations;
}

bool BackgroundScan::reached_end(std::uint64_t start) {
  std::lock_guard hold(mutex_);
  if (scanner_.report().starts != start) return false; // a later run has its own end
  std::uint64_t writes = dedup_.plain_writes();
  pending_ = writes != covered_writes_;
  // begin() detects the same difference when deduplication is resumed.
  if (!pending_ || dedup_.paused()) return !pending_;
  covered_writes_ = writes;
  scanner_.start(0);
  return false;
}

void BackgroundScan::state_changed() {
  node_.emit(block::NodeEvent::dedup_changed);
}

} // namespace qcow2_dedup
