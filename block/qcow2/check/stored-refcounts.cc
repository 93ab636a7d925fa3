// Compares stored refcounts with counted references, and corrects them in their blocks.
#include "block/qcow2/check/stored-refcounts.h"

#include "block/qcow2/check/refcount-field.h"

#include <algorithm>
#include <cinttypes>

namespace qcow2 {
namespace {

constexpr std::uint64_t row_clusters = 4096; // compared at a time

} // namespace

StoredRefcounts::StoredRefcounts(HostFile& file, const Header& header, References& references,
                                 CheckFindings& findings)
    : file_(file),
      header_(header),
      references_(references),
      findings_(findings),
      cluster_size_(header.cluster_size()),
      clusters_per_block_(cluster_size_.bytes() * 8 / header.refcount_bits()),
      reader_(file, cluster_size_.bytes()) {}

void StoredRefcounts::load() {
  table_.resize(header_.refcount_table_bytes() / table_entry_bytes);
  states_.assign(table_.size(), BlockState::none);
  auto raw = std::as_writable_bytes(std::span(table_));
  Result<void> done = check_refcount_table_place(header_, references_.file_bytes());
  if (done) done = file_.read(header_.refcount_table_offset, raw);
  if (!done) {
    // No refcount is known.
    std::fill(table_.begin(), table_.end(), 0);
    states_.assign(table_.size(), BlockState::rejected);
    damaged_ = true;
    ++corruptions_;
    findings_.corruption("ERROR refcount table: " + done.error().message());
    return;
  }
  for (std::uint64_t& entry : table_)
    entry = block::load_big_endian<std::uint64_t>(reinterpret_cast<const std::byte*>(&entry));
}

HostOffset StoredRefcounts::block_offset(std::size_t index) const {
  return HostOffset(table_[index] & ~refcount_table_reserved_mask);
}

HostCluster StoredRefcounts::first_of(std::size_t index) const {
  return HostCluster(index * clusters_per_block_);
}

void StoredRefcounts::damage(std::size_t index, BlockState state, const std::string& line) {
  states_[index] = state;
  damaged_ = true;
  ++corruptions_;
  findings_.corruption(line);
}

void StoredRefcounts::count_structure() {
  // A table outside the file is a finding of load(), and occupies no cluster.
  table_counted_ = check_refcount_table_place(header_, references_.file_bytes()).ok();
  if (table_counted_)
    references_.add(header_.refcount_table_offset, header_.refcount_table_bytes(),
                    ClusterUse::metadata, 1, findings_);
  ClusterCounts named; // clusters that an earlier entry names
  for (std::size_t index = 0; index < table_.size(); ++index) {
    if (table_[index] == 0) continue;
    HostOffset offset = block_offset(index);
    HostCluster cluster = cluster_size_.containing(offset);
    if (table_[index] & refcount_table_reserved_mask) {
      damage(index, BlockState::rejected,
             format_line("ERROR refcount table entry %zu has reserved bits set", index));
    } else if (!cluster_size_.aligned(offset)) {
      damage(index, BlockState::rejected,
             format_line("ERROR refcount block %zu is not cluster aligned; refcount table entry "
                         "corrupted",
                         index));
    } else if (offset.value() >= references_.file_bytes()) {
      damage(index, BlockState::rejected,
             format_line("ERROR refcount block %zu is outside image", index));
    } else {
      references_.add(offset, cluster_size_.bytes(), ClusterUse::metadata, 1, findings_);
      states_[index] = BlockState::sound;
      // The content of a block that overlaps something else may still be refcounts. The other
      // content of its cluster must not change with them, so the block is not repaired in place.
      if (std::uint64_t count = references_.counts().get(cluster); count != 1)
        damage(index, named.get(cluster) == 0 ? BlockState::overlapping : BlockState::duplicate,
               format_line("ERROR refcount block %zu refcount=%" PRIu64, index, count));
      named.set(cluster, 1);
    }
  }
}

void StoredRefcounts::mismatch(HostCluster cluster, std::uint64_t stored, std::uint64_t counted) {
  std::string line =
      format_line("%s cluster %" PRIu64 " refcount=%" PRIu64 " reference=%" PRIu64,
                  stored < counted ? "ERROR" : "Leaked", cluster.value(), stored, counted);
  if (stored < counted) {
    has_low_refcounts_ = true;
    ++corruptions_;
    findings_.corruption(line, CheckFindings::About::lag);
  } else {
    ++leaks_;
    findings_.leak(line, CheckFindings::About::lag);
  }
  if (stored == 0) has_zero_refcounts_ = true;
  if (counted != 0) differing_.set(cluster, stored == ~std::uint64_t{0} ? stored : stored + 1);
}

void StoredRefcounts::compare_missing(HostCluster first, HostCluster end) {
  references_.counts().for_each(first, end, [&](HostCluster cluster, std::uint64_t) {
    note_in_use(cluster);
    damaged_ = true; // there is no block to write the refcount to
    mismatch(cluster, 0, references_.count(cluster));
  });
}

Result<void> StoredRefcounts::compare_block(std::size_t index, HostCluster first, HostCluster end) {
  BLOCK_TRY_ASSIGN(std::span<std::byte> refcount_block, reader_.read(block_offset(index)));
  bool all_zero = std::all_of(refcount_block.begin(), refcount_block.end(),
                              [](std::byte each) { return each == std::byte{0}; });
  if (all_zero && references_.counts().untouched(first, end)) return {};
  bool wrong = false;
  std::vector<std::uint64_t> counted(std::min(row_clusters, end - first));
  for (HostCluster row = first; row < end; row += row_clusters) {
    std::uint64_t clusters = std::min(row_clusters, end - row);
    references_.copy_counts(row, std::span(counted).first(clusters));
    for (std::uint64_t i = 0; i < clusters; ++i) {
      HostCluster cluster = row + i;
      std::uint64_t stored =
          refcount_block.empty()
              ? 0
              : load_refcount(refcount_block.data(), cluster - first, header_.refcount_order);
      if (stored != 0 || counted[i] != 0) note_in_use(cluster);
      if (stored == counted[i]) continue;
      mismatch(cluster, stored, counted[i]);
      wrong = true;
    }
  }
  if (wrong) wrong_blocks_.push_back(index);
  return {};
}

void StoredRefcounts::compare(const CheckStep& step) {
  HostCluster end = references_.end();
  for (std::size_t index = 0; index < table_.size() && first_of(index) < end; ++index) {
    HostCluster first = first_of(index);
    HostCluster block_end = std::min(end, first + clusters_per_block_);
    switch (states_[index]) {
    case BlockState::none:
      compare_missing(first, block_end);
      break;
    case BlockState::duplicate:
    case BlockState::unreadable:
    case BlockState::rejected:
      references_.counts().for_each(
          first, block_end, [&](HostCluster cluster, std::uint64_t) { note_in_use(cluster); });
      break;
    case BlockState::sound:
    case BlockState::overlapping:
      if (Result<void> done = compare_block(index, first, block_end); !done) {
        damage(index, BlockState::unreadable,
               format_line("ERROR refcount block %zu cannot be read: %s", index,
                           done.error().message().c_str()));
      }
      break;
    }
    if (step) step();
  }
  compare_missing(first_of(table_.size()), end);
}

Result<void> StoredRefcounts::repair_in_place(bool lower, bool raise) {
  HostCluster end = references_.end();
  for (std::size_t index : wrong_blocks_) {
    HostCluster first = first_of(index);
    BLOCK_TRY_ASSIGN(std::span<std::byte> refcount_block, reader_.read(block_offset(index)));
    std::vector<std::byte> hole; // a block that is a hole in the file receives bytes now
    if (refcount_block.empty()) hole.resize(cluster_size_.bytes());
    std::span<std::byte> fields = refcount_block.empty() ? std::span(hole) : refcount_block;
    bool changed = false;
    for (HostCluster cluster = first; cluster < std::min(end, first + clusters_per_block_);
         ++cluster) {
      std::uint64_t stored = load_refcount(fields.data(), cluster - first, header_.refcount_order);
      std::uint64_t counted = references_.count(cluster);
      if (stored == counted || !(stored > counted ? lower : raise)) continue;
      store_refcount(fields.data(), cluster - first, header_.refcount_order, counted);
      changed = true;
      differing_.set(cluster, 0);
      findings_.note(format_line("Repairing cluster %" PRIu64 " refcount=%" PRIu64
                                 " reference=%" PRIu64,
                                 cluster.value(), stored, counted),
                     CheckFindings::About::lag);
      if (stored > counted)
        findings_.leaks_repaired(1);
      else
        findings_.corruptions_repaired(1);
    }
    if (changed) BLOCK_TRY(file_.write(block_offset(index), std::span<const std::byte>(fields)));
  }
  return {};
}

bool StoredRefcounts::sound() const {
  return table_counted_ && std::ranges::all_of(states_, [](BlockState state) {
           return state == BlockState::none || state == BlockState::sound;
         });
}

Result<void> StoredRefcounts::add_blocks(std::span<const NewBlock> blocks) {
  for (const NewBlock& added : blocks) {
    std::uint64_t index = added.place.value() / clusters_per_block_;
    if (!has_block(index)) continue; // a new block counts this cluster
    RefcountWord word = word_of(index, added.place);
    BLOCK_TRY(file_.read(word.place, std::span(word.fields)));
    store_refcount(word.fields, word.field, header_.refcount_order, 1);
    BLOCK_TRY(file_.write(word.place, std::span<const std::byte>(word.fields)));
  }
  BLOCK_TRY(file_.barrier());
  std::uint64_t mended = 0;
  for (const NewBlock& added : blocks) {
    std::byte entry[table_entry_bytes];
    block::store_big_endian(entry, cluster_size_.start(added.place).value());
    BLOCK_TRY(file_.write(header_.refcount_table_offset + added.index * table_entry_bytes,
                          std::span<const std::byte>(entry)));
    table_[added.index] = cluster_size_.start(added.place).value();
    states_[added.index] = BlockState::sound;
    HostCluster first = first_of(added.index);
    // These refcounts are right now; clusters of metadata that was given up are free.
    std::vector<HostCluster> right;
    differing_.for_each(first, first + clusters_per_block_,
                        [&](HostCluster cluster, std::uint64_t) { right.push_back(cluster); });
    for (HostCluster cluster : right)
      differing_.set(cluster, 0);
    mended += right.size();
  }
  findings_.corruptions_repaired(mended);
  damaged_ = has_low_refcounts_ = has_zero_refcounts_ = false;
  return file_.barrier();
}

Result<void> StoredRefcounts::clear_beyond_end() {
  HostCluster end = references_.end();
  for (std::size_t index = 0; index < table_.size(); ++index) {
    HostCluster first = first_of(index);
    HostCluster block_end = first + clusters_per_block_;
    if (states_[index] != BlockState::sound || block_end <= end) continue;
    BLOCK_TRY_ASSIGN(std::span<std::byte> refcount_block, reader_.read(block_offset(index)));
    if (refcount_block.empty()) continue;
    bool changed = false;
    for (HostCluster cluster = std::max(first, end); cluster < block_end; ++cluster) {
      if (references_.count(cluster) != 0 ||
          load_refcount(refcount_block.data(), cluster - first, header_.refcount_order) == 0)
        continue;
      store_refcount(refcount_block.data(), cluster - first, header_.refcount_order, 0);
      changed = true;
    }
    if (changed)
      BLOCK_TRY(file_.write(block_offset(index), std::span<const std::byte>(refcount_block)));
  }
  return {};
}

std::optional<std::uint64_t> StoredRefcounts::stored(HostCluster cluster) const {
  std::uint64_t index = cluster.value() / clusters_per_block_;
  if (index < states_.size() && states_[index] != BlockState::none && !comparable(states_[index]))
    return std::nullopt;
  // Entries may name clusters beyond the file, which are not compared.
  if (index < states_.size() && states_[index] != BlockState::none && cluster >= references_.end())
    return read_one(index, cluster);
  std::uint64_t different = differing_.get(cluster);
  return different != 0 ? different - 1 : references_.count(cluster);
}

std::optional<std::uint64_t> StoredRefcounts::read_one(std::size_t index,
                                                       HostCluster cluster) const {
  // Reads only the word with this refcount, because the entries of a damaged L2 table name clusters
  // far apart.
  RefcountWord word = word_of(index, cluster);
  if (!file_.read(word.place, std::span(word.fields))) return std::nullopt;
  return load_refcount(word.fields, word.field, header_.refcount_order);
}

StoredRefcounts::RefcountWord StoredRefcounts::word_of(std::size_t index,
                                                       HostCluster cluster) const {
  RefcountWord word;
  std::uint64_t within = cluster - first_of(index);
  std::uint64_t per_word = sizeof word.fields * 8 >> header_.refcount_order;
  word.place = block_offset(index) + within / per_word * sizeof word.fields;
  word.field = within % per_word;
  return word;
}

Result<void> StoredRefcounts::collect_higher(ClusterCounts& higher) {
  HostCluster end = references_.end();
  for (std::size_t index : wrong_blocks_) {
    if (states_[index] != BlockState::sound) continue;
    HostCluster first = first_of(index);
    BLOCK_TRY_ASSIGN(std::span<std::byte> refcount_block, reader_.read(block_offset(index)));
    if (refcount_block.empty()) continue;
    for (HostCluster cluster = first; cluster < std::min(end, first + clusters_per_block_);
         ++cluster) {
      std::uint64_t stored =
          load_refcount(refcount_block.data(), cluster - first, header_.refcount_order);
      if (stored > references_.count(cluster)) higher.set(cluster, stored);
    }
  }
  return {};
}

void StoredRefcounts::release_structure(const VisitReleased& visit) {
  std::vector<HostCluster> clusters;
  for (std::uint64_t i = 0; table_counted_ && i < header_.refcount_table_clusters; ++i)
    clusters.push_back(cluster_size_.containing(header_.refcount_table_offset) + i);
  for (std::size_t index = 0; index < table_.size(); ++index)
    if (counted(states_[index])) clusters.push_back(cluster_size_.containing(block_offset(index)));
  std::sort(clusters.begin(), clusters.end());
  for (auto at = clusters.begin(); at != clusters.end();) {
    HostCluster cluster = *at;
    std::uint64_t before = references_.count(cluster);
    for (; at != clusters.end() && *at == cluster; ++at)
      references_.remove_metadata(cluster);
    visit(cluster, before, references_.count(cluster));
  }
}

void StoredRefcounts::replaced(const ClusterCounts& higher) {
  table_.clear();
  states_.clear();
  wrong_blocks_.clear();
  differing_.clear();
  higher.for_each(HostCluster(0), higher.end(), [&](HostCluster cluster, std::uint64_t refcount) {
    if (references_.count(cluster) != 0) differing_.set(cluster, refcount + 1);
  });
  damaged_ = has_low_refcounts_ = has_zero_refcounts_ = false;
}

} // namespace qcow2
