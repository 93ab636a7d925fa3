// Image: the order of durability. See the steps in write_changes().
#include "block/qcow2/image.h"

#include "block/util/sector.h"

#include <algorithm>
#include <ctime>

namespace qcow2 {

using block::DebugEvent;
using block::MutexGuard;

namespace {

// Punching holes gets one part in `punching_part` of the time of flushes and write-backs. The file
// system then needs about the same time again to allocate the returned space anew.
constexpr unsigned punching_part = 40;
constexpr std::chrono::milliseconds most_punching_saved_up{50};
// Enough for about 250,000 holes.
constexpr std::chrono::seconds longest_punching_at_close{5};
// Space freed by overwriting may be punched after it has stayed free for this time, at the latest
// for twice this time.
constexpr std::chrono::seconds time_to_settle{30};

// Processor time that this thread has used so far.
std::chrono::nanoseconds processor_time() {
  timespec time{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

} // namespace

// Everything that one write-back writes, copied out under the metadata lock.
struct Image::Changes {
  std::vector<TableWrite> refcount_blocks;
  std::vector<TableWrite> refcount_table;
  std::vector<TableWrite> client_tables;
  std::vector<std::pair<const TableWrite*, Error>> lost; // elements of client_tables
  std::vector<TableWrite> l2_tables;
  std::vector<std::pair<Mapping*, std::vector<TableWrite>>> l1_tables;
};

// The header has one cluster. Headers are short, and clusters are rarely longer than 64 KiB, so
// this many bytes are read at once. If that fails, only the cluster is read, because the bytes
// after it do not belong to the header.
Result<Header> read_header(HostFile& file) {
  constexpr std::size_t usual = 64 * 1024;
  std::size_t available = std::min<std::uint64_t>(file.end().value(), bit(max_cluster_bits));
  block::AlignedBuffer memory(std::max<std::size_t>(available, 1));
  std::size_t bytes = std::min(available, usual);
  if (bytes > 0 && !file.read(HostOffset(0), memory.span().first(bytes))) {
    bytes = std::min<std::size_t>(available, bit(min_cluster_bits));
    BLOCK_TRY(file.read(HostOffset(0), memory.span().first(bytes)));
  }
  if (bytes < available && has_magic(memory.span())) {
    auto bits = block::load_big_endian<std::uint32_t>(memory.data() + header_cluster_bits_field);
    std::size_t wanted =
        bits <= max_cluster_bits ? std::min<std::size_t>(available, bit(bits)) : bytes;
    if (wanted > bytes) {
      BLOCK_TRY(file.read(HostOffset(bytes), memory.span().subspan(bytes, wanted - bytes)));
      bytes = wanted;
    }
  }
  return decode_header(memory.span().first(bytes));
}

Image::Image(HostFile& file, Header header, ImageSettings settings)
    : file_(file),
      cluster_size_(header.cluster_size()),
      settings_(settings),
      max_refcount_(header.max_refcount()),
      header_(std::move(header)),
      punching_(punching_part, most_punching_saved_up),
      refcounts_(file, settings.refcount_cache_bytes, header_),
      allocator_(
          file, refcounts_, cluster_size_,
          [this](HostOffset offset, std::uint32_t clusters) {
            metadata_mutex.assert_held(); // every allocation requires it
            Header former = header_;
            header_.refcount_table_offset = offset;
            header_.refcount_table_clusters = clusters;
            // The new table names blocks whose own refcounts may be only in memory. After a crash
            // these blocks would be allocated as free. With the dirty bit set, the next opener
            // rebuilds all refcounts. This case is rare enough to leave the bit set until the
            // close.
            header_.incompatible_features |= bit(incompatible::dirty_bit);
            Result<void> stored = store_header();
            if (!stored) header_ = std::move(former);
            return stored;
          },
          settings.returned_space),
      l2_tables_(file, cluster_size_.bytes(), settings.l2_cache_bytes, DebugEvent::l2_load) {
  allocator_.set_on_allocated([this](HostCluster first, std::uint64_t clusters) {
    if (client_) client_->clusters_allocated(first, clusters);
  });
}

Result<void> Image::load() {
  MutexGuard hold(metadata_mutex);
  stored_header_.resize(cluster_size_.bytes());
  return file_.read(HostOffset(0), std::span(stored_header_));
}

Result<void> Image::load_refcounts() {
  MutexGuard hold(metadata_mutex);
  return refcounts_.load(header_);
}

void Image::add_mapping(Mapping* mapping) {
  MutexGuard hold(metadata_mutex);
  mappings_.push_back(mapping);
}

// If two structures shared a cluster, the next write of one would destroy the other.
Result<void> Image::enter_metadata(HostOffset offset, std::uint64_t bytes) {
  if (bytes == 0) return {};
  HostCluster first = cluster_size_.containing(offset);
  std::uint64_t clusters = cluster_size_.clusters_for(bytes);
  if (!allocator_.metadata().contains_any(first, clusters)) {
    allocator_.metadata().add(first, clusters);
    return {};
  }
  return Error(ErrorKind::corrupt, "metadata overlaps at or after host cluster " +
                                       std::to_string(first.value()) +
                                       "; the image cannot be written to")
      .with_hint("Run 'dedup-img check' on the image; it can still be opened read-only.");
}

Result<void> Image::enter_all_metadata() {
  MutexGuard hold(metadata_mutex);
  std::uint64_t cluster = cluster_size_.bytes();
  BLOCK_TRY(enter_metadata(HostOffset(0), cluster));
  BLOCK_TRY(
      enter_metadata(header_.refcount_table_offset, header_.refcount_table_clusters * cluster));
  for (HostOffset block : refcounts_.block_places())
    BLOCK_TRY(enter_metadata(block, cluster));
  for (Mapping* mapping : mappings_) {
    BLOCK_TRY(enter_metadata(mapping->l1().place(), mapping->l1().bytes()));
    for (HostOffset table : mapping->l2_tables())
      BLOCK_TRY(enter_metadata(table, cluster));
  }
  return {};
}

void Image::keep_unknown_clusters() {
  MutexGuard hold(metadata_mutex);
  leave_dirty();
  allocator_.keep_all_below(HostCluster(cluster_size_.clusters_for(file_.end().value())));
}

std::uint64_t Image::metadata_clusters() {
  std::uint64_t clusters = 1 + header_.refcount_table_clusters + refcounts_.block_places().size();
  for (Mapping* mapping : mappings_)
    clusters += cluster_size_.clusters_for(mapping->l1().bytes()) + mapping->l2_tables().size();
  return clusters;
}

Result<void> Image::store_header() {
  BLOCK_TRY_ASSIGN(std::vector<std::byte> bytes, header_.encode_over(stored_header_));
  using block::sector_bytes;
  auto first = std::mismatch(bytes.begin(), bytes.end(), stored_header_.begin()).first;
  auto last = std::mismatch(bytes.rbegin(), bytes.rend(), stored_header_.rbegin()).first;
  bool changed = first != bytes.end();
  if (!changed && header_doubt_end_ == 0) return {};
  std::size_t begin =
      changed ? static_cast<std::size_t>(first - bytes.begin()) / sector_bytes * sector_bytes : 0;
  std::size_t end = changed ? (static_cast<std::size_t>(bytes.rend() - last) + sector_bytes - 1) /
                                  sector_bytes * sector_bytes
                            : 0;
  if (header_doubt_end_ > 0) begin = 0;
  end = std::max(end, header_doubt_end_);
  Result<void> written =
      file_.write(HostOffset(begin), std::span(bytes).subspan(begin, end - begin));
  if (written) written = file_.barrier();
  if (!written) {
    header_doubt_end_ = end;
    return std::move(written).error().context("image header");
  }
  header_doubt_end_ = 0;
  stored_header_ = std::move(bytes);
  return {};
}

Result<bool> Image::wants_write_back() {
  MutexGuard hold(metadata_mutex);
  // Waiting changes may fit into the client's tables; then nothing has to be written yet.
  if (client_ && client_->wants_write_back()) BLOCK_TRY(client_->prepare_write_back());
  return l2_tables_.wants_write_back() || refcounts_.blocks().wants_write_back() ||
         allocator_.wants_write_back() || (client_ && client_->wants_write_back());
}

Result<void> Image::begin_change() {
  BLOCK_TRY(refuse_if_corrupt());
  if (!changed_.load(std::memory_order_acquire)) BLOCK_TRY(mark_changed());
  BLOCK_TRY_ASSIGN(bool wanted, wants_write_back());
  if (!wanted) return {};
  {
    MutexGuard serial(write_back_mutex_);
    BLOCK_TRY(refuse_if_corrupt()); // corruption may have been found while this thread waited
    BLOCK_TRY_ASSIGN(wanted, wants_write_back());
    if (!wanted) return {}; // another request has just done it
    BLOCK_TRY(write_back(Scope::everything));
  }
  return_some_space();
  return {};
}

bool Image::mark_corrupt(bool in_file) {
  if (corrupt_.exchange(true)) return false;
  if (!in_file) return true;
  MutexGuard serial(write_back_mutex_); // after this no thread writes metadata
  MutexGuard hold(metadata_mutex);
  header_.incompatible_features |= bit(incompatible::corrupt_bit);
  (void)store_header(); // requests are refused even if this fails
  return true;
}

Result<void> Image::refuse_if_corrupt() const {
  if (!corrupt()) return {};
  return Error(ErrorKind::corrupt, "the image is corrupt and takes no more writes")
      .with_hint("Run 'dedup-img check -r all' on it while nobody uses it.");
}

Result<void> Image::mark_changed() {
  MutexGuard serial(write_back_mutex_);
  if (changed_.load(std::memory_order_relaxed)) return {};
  MutexGuard hold(metadata_mutex);
  if (client_) BLOCK_TRY(client_->before_first_change(header_));
  if (settings_.lazy_refcounts) header_.incompatible_features |= bit(incompatible::dirty_bit);
  BLOCK_TRY(store_header());
  // The L2 entries of clusters that an earlier process freed may still be on the disk. The update
  // that removed them must be durable before the clusters are reused.
  BLOCK_TRY(file_.barrier());
  changed_.store(true, std::memory_order_release);
  return {};
}

// Once the refcount of a single owner is lowered in the file, its missing COPIED violates the
// standard. After an unclean end the next opener has to set the flag. Without lazy refcounts, only
// the dirty bit set here makes it do so.
Result<void> Image::mark_missing_copied() {
  if (header_.dirty() || allocator_.single_owners().empty()) return {};
  header_.incompatible_features |= bit(incompatible::dirty_bit);
  Result<void> stored = store_header();
  if (!stored) header_.incompatible_features &= ~bit(incompatible::dirty_bit);
  return stored;
}

Result<void> Image::flush() {
  // A write-back that begins after this line covers everything that was linked before it.
  std::uint64_t asked = flushes_asked_.fetch_add(1) + 1;
  {
    MutexGuard serial(write_back_mutex_);
    if (flushes_done_ >= asked) return {};
    if (changed_.load()) BLOCK_TRY(refuse_if_corrupt());
    std::uint64_t covered = flushes_asked_.load();
    BLOCK_TRY(write_back(Scope::needed_for_flush));
    flushes_done_ = covered;
  }
  return_some_space();
  return {};
}

Result<void> Image::write_back(Scope scope) {
  Changes changes;
  {
    MutexGuard hold(metadata_mutex);
    // A header write that failed may have reached the file, and may name clusters that were freed
    // since.
    if (header_doubt_end_ > 0) BLOCK_TRY(store_header());
    BLOCK_TRY(mark_missing_copied());
    bool client_tables = client_ && scope != Scope::needed_for_flush;
    if (client_tables) BLOCK_TRY(client_->prepare_write_back());
    // With lazy refcounts the counts in the file are not used after a crash, so a flush need not
    // write them.
    if (scope != Scope::needed_for_flush || !settings_.lazy_refcounts) {
      changes.refcount_blocks = refcounts_.blocks().begin_write_back();
      changes.refcount_table = refcounts_.table().begin_write_back();
    }
    if (client_tables) changes.client_tables = client_->begin_write_back();
    changes.l2_tables = l2_tables_.begin_write_back();
    for (Mapping* mapping : mappings_)
      changes.l1_tables.emplace_back(mapping, mapping->l1().begin_write_back());
    allocator_.begin_drop();
  }
  Result<void> written = write_changes(changes);
  MutexGuard hold(metadata_mutex);
  bool durable = written.ok();
  refcounts_.blocks().end_write_back(changes.refcount_blocks, durable);
  refcounts_.table().end_write_back(changes.refcount_table, durable);
  for (const auto& [write, why] : changes.lost)
    client_->table_lost(*write, why);
  if (client_) client_->end_write_back(changes.client_tables, durable);
  l2_tables_.end_write_back(changes.l2_tables, durable);
  for (auto& [mapping, writes] : changes.l1_tables)
    mapping->l1().end_write_back(writes, durable);
  Result<void> dropped = allocator_.end_drop(durable);
  trim_caches();
  if (!written) return written;
  // A refcount that stays too high for now does not concern a request: a later write-back lowers
  // it.
  bool matters =
      scope == Scope::for_close || (!dropped && dropped.error().kind() == ErrorKind::corrupt);
  return matters ? std::move(dropped) : Result<void>();
}

// 1. Refcounts that were raised, before any entry that relies on them. Data was written before it
//    was linked, so the same barrier makes it durable before the L2 entry that names it.
// 2. The refcount table, after the blocks that it names.
// 3. L2 and L1 entries. A new L2 table was written as zeros before step 1, so L1 may become durable
//    before it.
// Only after that end_drop() lowers refcounts.
Result<void> Image::write_changes(Changes& changes) {
  BLOCK_TRY(write_tables(file_, DebugEvent::refblock_update_part, changes.refcount_blocks));
  BLOCK_TRY(write_client_tables(changes));
  BLOCK_TRY(file_.barrier());
  if (!changes.refcount_table.empty()) {
    BLOCK_TRY(write_tables(file_, DebugEvent::refblock_alloc_hookup, changes.refcount_table));
    BLOCK_TRY(file_.barrier());
  }
  BLOCK_TRY(write_tables(file_, DebugEvent::l2_update, changes.l2_tables));
  for (const auto& [mapping, writes] : changes.l1_tables)
    BLOCK_TRY(write_tables(file_, DebugEvent::l1_update, writes));
  return file_.barrier();
}

// The client's tables hold only hints, so a piece that cannot be written is lost and the rest goes
// on. A full disk is different from a bad sector: the write-back fails, and is repeated when there
// is space.
Result<void> Image::write_client_tables(Changes& changes) {
  Result<void> all = write_tables(file_, DebugEvent::dedup_block_update, changes.client_tables);
  if (all || all.error().kind() == ErrorKind::no_space) return all;
  for (const TableWrite& write : changes.client_tables)
    if (Result<void> one = write_tables(file_, DebugEvent::dedup_block_update, {write}); !one)
      changes.lost.emplace_back(&write, std::move(one).error());
  return {};
}

// The metadata lock is not held while a hole is punched, so the allocator holds these clusters
// meanwhile. Nothing is punched in a corrupt image, because its refcounts may be wrong.
void Image::punch_freed_space(TimeShare::Clock::duration at_most) {
  constexpr std::size_t runs_at_once = 32;
  const TimeShare::Clock::time_point begun = TimeShare::Clock::now();
  const std::chrono::nanoseconds processor_begun = processor_time();
  TimeShare::Clock::duration took{};
  while (took < at_most && !corrupt()) {
    std::vector<HostRun> runs;
    {
      MutexGuard hold(metadata_mutex);
      runs = allocator_.hold_for_punching(runs_at_once);
    }
    if (runs.empty()) break;
    for (const HostRun& run : runs)
      (void)file_.punch(cluster_size_.start(run.first), run.clusters << cluster_size_.bits());
    MutexGuard hold(metadata_mutex);
    allocator_.release_punched();
    // If other programs keep the processors busy, most of the elapsed time is not used by this
    // thread.
    took = std::max<TimeShare::Clock::duration>(processor_time() - processor_begun,
                                                (TimeShare::Clock::now() - begun) / 4);
  }
  MutexGuard hold(metadata_mutex);
  punching_.spend(took);
}

void Image::return_space(TimeShare::Clock::duration at_most) {
  {
    MutexGuard hold(metadata_mutex);
    allocator_.settle_freed_space();
  }
  punch_freed_space(at_most);
}

void Image::return_some_space() {
  TimeShare::Clock::duration at_most;
  {
    MutexGuard hold(metadata_mutex);
    const TimeShare::Clock::time_point now = TimeShare::Clock::now();
    if (now - space_aged_ >= time_to_settle) {
      allocator_.age_freed_space();
      space_aged_ = now;
    }
    at_most = punching_.left(now);
  }
  if (at_most > TimeShare::Clock::duration::zero()) punch_freed_space(at_most);
}

Result<void> Image::close() {
  if (!changed_.load()) return {};
  MutexGuard serial(write_back_mutex_);
  BLOCK_TRY(refuse_if_corrupt());
  // Repeat until the client has stored as many changes as possible; each write-back also lowers
  // dropped references. The last write-back stores the refcounts that this lowered.
  std::size_t waiting = SIZE_MAX - 1;
  for (std::size_t before = SIZE_MAX; waiting < before;) {
    before = waiting;
    BLOCK_TRY_ASSIGN(waiting, prepare_client());
    BLOCK_TRY(write_back(Scope::for_close));
  }
  BLOCK_TRY(write_back(Scope::for_close));
  BLOCK_TRY(mark_clean(waiting == 0));
  // Last, because it may take long, and a process that is killed here leaves a clean image.
  return_space(longest_punching_at_close);
  return {};
}

Result<void> Image::mark_clean(bool all_is_stored) {
  MutexGuard hold(metadata_mutex);
  if (client_) client_->at_clean_close(header_);
  // Changes that the client could not store contradict the file: the next opener has to repair the
  // image.
  if (all_is_stored && !stays_dirty_)
    header_.incompatible_features &= ~bit(incompatible::dirty_bit);
  return store_header();
}

Result<std::size_t> Image::prepare_client() {
  MutexGuard hold(metadata_mutex);
  if (!client_) return std::size_t{0};
  std::size_t waiting = client_->waiting_changes();
  for (std::size_t before = waiting + 1; waiting < before;) {
    BLOCK_TRY(client_->prepare_write_back());
    before = waiting;
    waiting = client_->waiting_changes();
  }
  return waiting;
}

void Image::trim_caches() {
  l2_tables_.trim();
  refcounts_.blocks().trim();
}

} // namespace qcow2
