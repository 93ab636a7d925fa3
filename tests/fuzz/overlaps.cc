// Overlaps of metadata, by a walk over the tables of the file.
#include "tests/fuzz/overlaps.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/header.h"

#include <set>

namespace fuzz {
namespace {

// Walks over one image; says so when two parts name one cluster.
class Walk {
public:
  Walk(const Bytes& content, const qcow2::Header& header)
      : content_(content), header_(header), cluster_(header.cluster_size().bytes()) {}

  bool finds_overlap() {
    const std::uint64_t l1 = header_.l1_offset.value();
    const std::uint64_t table = header_.refcount_table_offset.value();
    const std::uint64_t table_bytes = header_.refcount_table_clusters * cluster_;
    take(0, cluster_);
    take(l1, header_.l1_bytes());
    take(table, table_bytes);
    for (std::uint64_t block : entries(table, table_bytes))
      take(block & qcow2::offset_mask, cluster_);
    const std::vector<std::uint64_t> l1_entries = entries(l1, header_.l1_bytes());
    for (std::uint64_t entry : l1_entries)
      take(entry & qcow2::offset_mask, cluster_);
    take_dedup_table();
    for (std::uint64_t entry : l1_entries)
      for (std::uint64_t raw : entries(entry & qcow2::offset_mask, cluster_))
        if (auto host = qcow2::L2Entry(raw).host_offset())
          overlap_ = overlap_ || metadata_.contains(host->value() / cluster_);
    return overlap_;
  }

private:
  std::vector<std::uint64_t> entries(std::uint64_t offset, std::uint64_t bytes) const {
    std::vector<std::uint64_t> found;
    for (std::uint64_t at = offset; at != 0 && at - offset < bytes && at + 8 <= content_.size();
         at += 8)
      if (auto entry = block::load_big_endian<std::uint64_t>(&content_[at])) found.push_back(entry);
    return found;
  }

  void take(std::uint64_t offset, std::uint64_t bytes) {
    if (offset == 0 && bytes != cluster_) return;
    for (std::uint64_t cluster = offset / cluster_; cluster * cluster_ < offset + bytes; ++cluster)
      if (cluster * cluster_ < content_.size())
        overlap_ = !metadata_.insert(cluster).second || overlap_;
  }

  void take_dedup_table() {
    const qcow2::Extension* found = header_.find_extension(qcow2_dedup::extension_magic);
    if (!found) return;
    auto extension = qcow2_dedup::decode_extension(found->data, header_.cluster_size());
    if (!extension || extension->table_offset.value() == 0) return;
    const std::uint64_t table = extension->table_offset.value();
    const std::uint64_t bytes = extension->table_entries * std::uint64_t{8};
    take(table, bytes);
    std::set<std::uint64_t> shared; // several blocks lie in one large cluster
    for (std::uint64_t block : entries(table, bytes))
      if (shared.insert(block / cluster_).second) take(block, qcow2_dedup::hash_block_bytes);
  }

  const Bytes& content_;
  const qcow2::Header& header_;
  const std::uint64_t cluster_;
  std::set<std::uint64_t> metadata_; // clusters
  bool overlap_ = false;
};

} // namespace

bool metadata_is_shared(const Bytes& content) {
  auto header = qcow2::decode_header(content);
  return header && Walk(content, *header).finds_overlap();
}

} // namespace fuzz
