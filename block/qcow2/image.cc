// Image: the order of durability. See the stages in write_steps().
#include "block/qcow2/image.h"

#include <algorithm>

namespace qcow2 {

using block::DebugEvent;
using block::MutexGuard;

namespace {

// Enough for about 250,000 holes.
constexpr std::chrono::seconds longest_punching_at_close{5};

// Stages of a write-back. All parts of a stage may become durable in any order.
enum class Stage { counts, count_table, links };

// Once the refcount of a single owner is lowered in the file, its missing COPIED violates the
// standard. After an unclean end the next opener has to set the flag. Without lazy refcounts, only
// the dirty bit set here makes it do so.
Result<void> mark_missing_copied(Metadata& metadata) {
  if (metadata.header().dirty() || metadata.allocator().single_owners().empty()) return {};
  Header wanted = metadata.header();
  wanted.incompatible_features |= bit(incompatible::dirty_bit);
  return metadata.store_header(std::move(wanted));
}

} // namespace

// What one part stores in one write-back.
struct Image::Step {
  Stage stage;
  WriteBackPart* part;
  DebugEvent event;
  bool hints = false; // the part is the feature's HintTables
  std::vector<TableWrite> writes = {};
  std::vector<std::pair<const TableWrite*, Error>> lost = {}; // elements of `writes`
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
      data_(file),
      cluster_size_(header.cluster_size()),
      settings_(settings),
      max_refcount_(header.max_refcount()),
      metadata_(file, std::move(header), settings) {}

void Image::set_feature(ImageFeature* feature) {
  feature_ = feature;
  lock()->set_content_events(feature);
}

Result<bool> Image::merge_if_full() {
  auto metadata = lock();
  // Waiting changes may fit into the feature's tables; then nothing has to be written yet.
  if (feature_ && feature_->wants_write_back()) BLOCK_TRY(feature_->prepare_write_back(metadata));
  return metadata->l2_tables().wants_write_back() ||
         metadata->refcounts().blocks().wants_write_back() ||
         metadata->allocator().wants_write_back() || (feature_ && feature_->wants_write_back());
}

Result<void> Image::begin_change() {
  BLOCK_TRY(refuse_if_corrupt());
  if (!changed_.load(std::memory_order_acquire)) BLOCK_TRY(mark_changed());
  BLOCK_TRY_ASSIGN(bool wanted, merge_if_full());
  if (!wanted) return {};
  {
    MutexGuard serial(write_back_mutex_);
    BLOCK_TRY(refuse_if_corrupt()); // corruption may have been found while this thread waited
    BLOCK_TRY_ASSIGN(wanted, merge_if_full());
    if (!wanted) return {}; // another request has just done it
    BLOCK_TRY(write_back(Scope::everything));
  }
  space_return_.return_some();
  return {};
}

bool Image::mark_corrupt(bool in_file) {
  if (corrupt_.exchange(true)) return false;
  if (!in_file) return true;
  MutexGuard serial(write_back_mutex_); // after this no thread writes metadata
  auto metadata = lock();
  metadata->mutable_header().incompatible_features |= bit(incompatible::corrupt_bit);
  (void)metadata->store_header(); // requests are refused even if this fails
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
  auto metadata = lock();
  if (feature_) feature_->before_first_change(metadata);
  if (settings_.lazy_refcounts)
    metadata->mutable_header().incompatible_features |= bit(incompatible::dirty_bit);
  BLOCK_TRY(metadata->store_header());
  // The L2 entries of clusters that an earlier process freed may still be on the disk. The update
  // that removed them must be durable before the clusters are reused.
  BLOCK_TRY(file_.barrier());
  changed_.store(true, std::memory_order_release);
  return {};
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
  space_return_.return_some();
  return {};
}

// 1. counts: refcounts that were raised, before any entry that relies on them. Data was written
//    before it was linked, so the same barrier makes it durable before the L2 entry that names it.
//    Hints have no order.
// 2. count_table: the refcount table, after the blocks that it names.
// 3. links: L2 and L1 entries. A new L2 table was written as zeros before stage 1, so L1 may become
//    durable before it.
// Only after that Allocator::end_drop() lowers refcounts.
std::vector<Image::Step> Image::steps(Metadata& metadata, Scope scope) {
  std::vector<Step> steps;
  // With lazy refcounts the counts in the file are not used after a crash, so a flush need not
  // write them.
  const bool counts = scope != Scope::needed_for_flush || !settings_.lazy_refcounts;
  if (counts)
    steps.push_back(
        {Stage::counts, &metadata.refcounts().blocks(), DebugEvent::refblock_update_part});
  if (feature_ && scope != Scope::needed_for_flush)
    steps.push_back({Stage::counts, feature_, DebugEvent::dedup_block_update, true});
  if (counts)
    steps.push_back(
        {Stage::count_table, &metadata.refcounts().table(), DebugEvent::refblock_alloc_hookup});
  steps.push_back({Stage::links, &metadata.l2_tables(), DebugEvent::l2_update});
  for (const auto& root : metadata.roots())
    steps.push_back({Stage::links, &root->mapping(metadata).l1(), DebugEvent::l1_update});
  return steps;
}

Result<void> Image::write_back(Scope scope) {
  std::vector<Step> parts;
  {
    auto metadata = lock();
    // A header write that failed may have reached the file, and may name clusters that were freed
    // since.
    if (metadata->header_in_doubt()) BLOCK_TRY(metadata->store_header());
    BLOCK_TRY(mark_missing_copied(metadata));
    parts = steps(metadata, scope);
    for (const Step& step : parts)
      if (step.hints) BLOCK_TRY(feature_->prepare_write_back(metadata));
    for (Step& step : parts)
      step.writes = step.part->begin_write_back();
    metadata->allocator().begin_drop();
  }
  Result<void> written = write_steps(parts);
  auto metadata = lock();
  const bool durable = written.ok();
  for (const Step& step : parts) {
    for (const auto& [write, why] : step.lost)
      feature_->table_lost(metadata, *write, why);
    step.part->end_write_back(step.writes, durable);
  }
  Result<void> dropped = metadata->allocator().end_drop(durable);
  metadata->trim_caches();
  if (!written) return written;
  // A refcount that stays too high for now does not concern a request: a later write-back lowers
  // it.
  bool matters =
      scope == Scope::for_close || (!dropped && dropped.error().kind() == ErrorKind::corrupt);
  return matters ? std::move(dropped) : Result<void>();
}

// A barrier ends each stage. Only the table of refcount blocks rarely changes.
Result<void> Image::write_steps(std::vector<Step>& steps) {
  for (Stage stage : {Stage::counts, Stage::count_table, Stage::links}) {
    bool changed = stage != Stage::count_table;
    for (Step& step : steps) {
      if (step.stage != stage) continue;
      changed = changed || !step.writes.empty();
      BLOCK_TRY(write_step(step));
    }
    if (changed) BLOCK_TRY(file_.barrier());
  }
  return {};
}

// A piece of the hints that cannot be written is lost and the rest goes on. A full disk is
// different from a bad sector: the write-back fails, and is repeated when there is space.
Result<void> Image::write_step(Step& step) {
  Result<void> all = write_tables(file_, step.event, step.writes);
  if (all || !step.hints || all.error().kind() == ErrorKind::no_space) return all;
  for (const TableWrite& write : step.writes)
    if (Result<void> one = write_tables(file_, step.event, {write}); !one)
      step.lost.emplace_back(&write, std::move(one).error());
  return {};
}

Result<void> Image::close() {
  if (!changed_.load()) return {};
  MutexGuard serial(write_back_mutex_);
  BLOCK_TRY(refuse_if_corrupt());
  // Repeat until the feature has stored as many changes as possible; each write-back also lowers
  // dropped references. The last write-back stores the refcounts that this lowered.
  std::size_t waiting = SIZE_MAX - 1;
  for (std::size_t before = SIZE_MAX; waiting < before;) {
    before = waiting;
    BLOCK_TRY_ASSIGN(waiting, prepare_hints());
    BLOCK_TRY(write_back(Scope::for_close));
  }
  BLOCK_TRY(write_back(Scope::for_close));
  BLOCK_TRY(mark_clean(waiting == 0));
  // Last, because it may take long, and a process that is killed here leaves a clean image.
  return_space(longest_punching_at_close);
  return {};
}

Result<void> Image::mark_clean(bool all_is_stored) {
  auto metadata = lock();
  if (feature_) feature_->at_clean_close(metadata);
  // Changes that the feature could not store contradict the file: the next opener has to repair the
  // image.
  if (all_is_stored && !metadata->stays_dirty())
    metadata->mutable_header().incompatible_features &= ~bit(incompatible::dirty_bit);
  return metadata->store_header();
}

Result<std::size_t> Image::prepare_hints() {
  if (!feature_) return std::size_t{0};
  auto metadata = lock();
  std::size_t waiting = feature_->waiting_changes();
  for (std::size_t before = waiting + 1; waiting < before;) {
    BLOCK_TRY(feature_->prepare_write_back(metadata));
    before = waiting;
    waiting = feature_->waiting_changes();
  }
  return waiting;
}

} // namespace qcow2
