// Writes header, refcounts, L1 and L2 tables and the dedup table, followed by data clusters that
// are a hole.
#include "tests/support/aged-image.h"

#include "tests/support/nodes.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/witness.h"
#include "block/qcow2/image.h"

#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <unistd.h>
#include <vector>

namespace block {
namespace {

using qcow2_dedup::entries_per_block;
using qcow2_dedup::hash_block_bytes;

constexpr std::uint64_t cluster = std::uint64_t{1} << aged_cluster_bits;
constexpr std::uint64_t entries_per_table = cluster / 8;

std::uint64_t pieces(std::uint64_t number, std::uint64_t per_piece) {
  return (number + per_piece - 1) / per_piece;
}

// The positions and lengths of the parts, in host clusters.
struct Layout {
  std::uint64_t refcount_table, refcount_table_clusters, refcount_blocks, refcount_block_count;
  std::uint64_t l1, l1_entries, l2, dedup_l1, hash_blocks, hash_block_count, data, end;

  explicit Layout(std::uint64_t guest_clusters) {
    std::uint64_t most = guest_clusters + guest_clusters / 32 + 256; // including all metadata
    refcount_block_count = pieces(most, cluster / 2);
    refcount_table_clusters = pieces(refcount_block_count, entries_per_table);
    l1_entries = pieces(guest_clusters, entries_per_table);
    hash_block_count = pieces(most, entries_per_block);
    refcount_table = 1;
    refcount_blocks = refcount_table + refcount_table_clusters;
    l1 = refcount_blocks + refcount_block_count;
    l2 = l1 + pieces(l1_entries, entries_per_table);
    dedup_l1 = l2 + l1_entries;
    hash_blocks = dedup_l1 + pieces(hash_block_count, entries_per_table);
    data = hash_blocks + hash_block_count * (hash_block_bytes / cluster);
    end = data + guest_clusters;
    EXPECT_LE(end, most);
  }
};

class Writer {
public:
  explicit Writer(const std::string& path)
      : descriptor_(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600)) {}
  ~Writer() { EXPECT_EQ(::close(descriptor_), 0); }
  void put(std::uint64_t first_cluster, const std::vector<std::byte>& bytes) {
    EXPECT_EQ(::pwrite(descriptor_, bytes.data(), bytes.size(),
                       static_cast<off_t>(first_cluster * cluster)),
              static_cast<ssize_t>(bytes.size()));
  }
  // Writes an array of big-endian numbers.
  template <typename Integer>
  void put_array(std::uint64_t first_cluster, const std::vector<std::uint64_t>& values) {
    std::vector<std::byte> bytes(values.size() * sizeof(Integer));
    for (std::size_t i = 0; i < values.size(); ++i)
      store_big_endian(&bytes[i * sizeof(Integer)], static_cast<Integer>(values[i]));
    put(first_cluster, bytes);
  }
  void set_end(std::uint64_t clusters) {
    EXPECT_EQ(::ftruncate(descriptor_, static_cast<off_t>(clusters * cluster)), 0);
  }

private:
  int descriptor_;
};

std::vector<std::byte> header_of(const Layout& at, const AgedImage& shape) {
  qcow2_dedup::Extension extension;
  extension.table_offset = HostOffset(at.dedup_l1 * cluster);
  extension.table_entries = static_cast<std::uint32_t>(at.hash_block_count);
  extension.set(qcow2_dedup::in_use, shape.crashed);
  extension.set(qcow2_dedup::dedup_running, false);
  auto encoded = qcow2_dedup::encode_extension(extension);
  qcow2::Header header;
  header.cluster_bits = aged_cluster_bits;
  header.guest_size = shape.guest_clusters * cluster;
  header.l1_entries = static_cast<std::uint32_t>(at.l1_entries);
  header.l1_offset = HostOffset(at.l1 * cluster);
  header.refcount_table_offset = HostOffset(at.refcount_table * cluster);
  header.refcount_table_clusters = static_cast<std::uint32_t>(at.refcount_table_clusters);
  header.incompatible_features = shape.crashed ? qcow2::bit(qcow2::incompatible::dirty_bit) : 0;
  header.compatible_features = qcow2::bit(qcow2::compatible::lazy_refcounts_bit);
  header.autoclear_features = qcow2_dedup::dedup_feature_mask;
  header.set_extension(qcow2_dedup::extension_magic, {encoded.begin(), encoded.end()});
  return header.encode().value();
}

std::vector<std::uint64_t> places(std::uint64_t first, std::uint64_t number,
                                  std::uint64_t clusters_each, std::uint64_t flags) {
  std::vector<std::uint64_t> offsets(number);
  for (std::uint64_t i = 0; i < number; ++i)
    offsets[i] = ((first + i * clusters_each) * cluster) | flags;
  return offsets;
}

} // namespace

namespace {

void record_tables_in(const std::string& path) {
  Graph graph;
  std::shared_ptr<Node> node = open(graph, {{"driver", "file"}, {"filename", path}});
  qcow2::HostFile file(*node);
  qcow2::Header header = qcow2::read_header(file).value();
  std::optional<qcow2_dedup::Extension> extension =
      qcow2_dedup::decode_extension(header.find_extension(qcow2_dedup::extension_magic)->data,
                                    header.cluster_size())
          .value();
  qcow2_dedup::record_tables(file, header, *extension);
  EXPECT_TRUE(succeeded(qcow2_dedup::store_header(file, header, extension)));
}

} // namespace

void make_aged_image(const std::string& path, const AgedImage& shape) {
  Layout at(shape.guest_clusters);
  std::vector<std::uint64_t> guest_of(shape.guest_clusters); // by host cluster, from at.data on
  std::iota(guest_of.begin(), guest_of.end(), 0);
  if (shape.shuffled) std::shuffle(guest_of.begin(), guest_of.end(), std::mt19937_64(1));

  Writer file(path);
  file.put(0, header_of(at, shape));
  file.put_array<std::uint64_t>(at.refcount_table,
                                places(at.refcount_blocks, at.refcount_block_count, 1, 0));
  file.put_array<std::uint16_t>(at.refcount_blocks, std::vector<std::uint64_t>(at.end, 1));
  file.put_array<std::uint64_t>(at.l1, places(at.l2, at.l1_entries, 1, qcow2::copied_flag));
  std::vector<std::byte> blocks(at.hash_block_count * hash_block_bytes);
  std::vector<std::uint64_t> l2(shape.guest_clusters);
  for (std::uint64_t i = 0; i < shape.guest_clusters; ++i) {
    HostCluster host(at.data + i);
    l2[guest_of[i]] = (host.value() * cluster) | qcow2::copied_flag;
    qcow2_dedup::Entry entry;
    store_big_endian(entry.fingerprint.bytes.data(), host.value() * 0x9e3779b97f4a7c15);
    entry.first_owner = GuestOffset(guest_of[i] * cluster);
    std::byte* hash_block = &blocks[qcow2_dedup::block_index_of(host) * hash_block_bytes];
    store_entry(qcow2_dedup::HashBlock(hash_block, hash_block_bytes), qcow2_dedup::slot_of(host),
                entry);
  }
  for (std::uint64_t i = 0; i < shape.wrong_owners; i += 2)
    std::swap(l2[i], l2[i + 1]);
  file.put_array<std::uint64_t>(at.l2, l2);
  file.put_array<std::uint64_t>(
      at.dedup_l1, places(at.hash_blocks, at.hash_block_count, hash_block_bytes / cluster, 0));
  file.put(at.hash_blocks, blocks);
  file.set_end(at.end);
  record_tables_in(path);
}

} // namespace block
