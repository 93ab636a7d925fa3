// Making the base images, and finding their parts.
#include "tests/fuzz/base-images.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2-driver/driver.h"
#include "block/qcow2/header.h"

#include <algorithm>

namespace fuzz {

using block::IoVector;
using block::Options;

namespace {

constexpr std::uint64_t guest_clusters = 96;

struct Shape {
  std::string name;
  unsigned cluster_bits;
  Options create;
  bool unclean = false; // the writer was killed
};

void create(const Shape& shape, const std::string& file) {
  Options options = shape.create;
  options.set("size", std::to_string(guest_clusters << shape.cluster_bits));
  options.set("cluster_size", std::to_string(std::uint64_t{1} << shape.cluster_bits));
  block::Graph graph;
  auto target = graph.open({{"driver", "memory"}, {"filename", file}}, {});
  require_ok(target, "the base image's file opens");
  require_ok(qcow2_driver::driver.create(**target, options), "the base image is created");
  target = std::shared_ptr<block::Node>();
  require_ok(graph.close_all(), "the base image's file closes");
}

// Data of several owners, data of one, zeros, holes, and all of it in two sessions.
std::string fill(block::Node& node, std::size_t cluster) {
  std::string guest(guest_clusters * cluster, '\0');
  auto write = [&](std::size_t at, const std::string& data) {
    require_ok(node.co_writev(at * cluster, IoVector(data.data(), data.size())), "data is written");
    guest.replace(at * cluster, data.size(), data);
  };
  std::string a = content_of(cluster, 11), b = content_of(cluster, 12), c = content_of(cluster, 13);
  write(0, a + b + c);
  write(5, b + a);
  write(guest_clusters - 3, c + c + content_of(cluster, 14));
  write(30, content_of(cluster, 15) + std::string(cluster, '\0'));
  require_ok(node.co_pwrite_zeroes(8 * cluster, 2 * cluster), "zeros are written");
  require_ok(node.co_flush(), "the base image is flushed");
  write(12, content_of(cluster, 16) + a);
  require_ok(node.co_pdiscard(6 * cluster, cluster), "a cluster is discarded");
  guest.replace(6 * cluster, cluster, cluster, '\0');
  require_ok(node.co_flush(), "the base image is flushed");
  return guest;
}

std::vector<std::uint64_t> entries(const Bytes& content, Region table) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t at = table.offset;
       at + 8 <= std::min<std::uint64_t>(content.size(), table.offset + table.bytes); at += 8)
    found.push_back(block::load_big_endian<std::uint64_t>(&content[at]));
  return found;
}

void find_parts(BaseImage& image) {
  auto header = qcow2::decode_header(image.content);
  require_ok(header, "the base image has a header");
  std::uint64_t cluster = header->cluster_size().bytes();
  image.cluster_bits = header->cluster_bits;
  image.places[Part::header] = {{0, std::min<std::uint64_t>(cluster, 512)}};
  Region l1 = {header->l1_offset.value(), header->l1_bytes()};
  image.places[Part::l1] = {l1};
  for (std::uint64_t entry : entries(image.content, l1))
    if (entry & qcow2::offset_mask)
      image.places[Part::l2].push_back(
          {entry & qcow2::offset_mask, std::min<std::uint64_t>(cluster, guest_clusters * 8)});
  Region table = {header->refcount_table_offset.value(), 64};
  image.places[Part::refcount_table] = {table};
  for (std::uint64_t entry : entries(image.content, table))
    if (entry)
      image.places[Part::refcount_blocks].push_back({entry, std::min<std::uint64_t>(cluster, 512)});

  const qcow2::Extension* found = header->find_extension(qcow2_dedup::extension_magic);
  if (!found) return;
  auto extension = qcow2_dedup::decode_extension(found->data, header->cluster_size());
  require_ok(extension, "the base image has a sound extension");
  const std::byte magic[] = {std::byte{0xCD}, std::byte{0x8E}, std::byte{0x81}, std::byte{0x9B}};
  auto place =
      std::search(image.content.begin(), image.content.end(), std::begin(magic), std::end(magic));
  image.places[Part::dedup_extension] = {
      {static_cast<std::uint64_t>(place - image.content.begin()), 80}};
  if (extension->table_entries == 0) return;
  Region dedup_table = {extension->table_offset.value(), extension->table_entries * 8u};
  image.places[Part::dedup_table] = {dedup_table};
  for (std::uint64_t entry : entries(image.content, dedup_table))
    if (entry) {
      // Most of a block has no entry: the first 60 clusters', and the block's end.
      image.places[Part::hash_blocks].push_back({entry, 60 * qcow2_dedup::entry_bytes});
      image.places[Part::hash_blocks].push_back({entry + qcow2_dedup::hash_block_bytes - 16, 16});
    }
}

BaseImage make(const Shape& shape) {
  BaseImage image;
  image.name = shape.name;
  auto file = block::MemoryFile::create("base");
  create(shape, "base");
  image.content = file->content();
  HostileImage disk(image.content, 64 << 20);
  require(disk.open({{"file.filename", "hostile"}}), "the base image opens");
  image.guest = fill(disk.node(), std::size_t{1} << shape.cluster_bits);
  if (shape.unclean) image.content = disk.content();
  require(disk.close(), "the base image closes");
  if (!shape.unclean) image.content = disk.content();
  find_parts(image);
  return image;
}

} // namespace

const std::vector<BaseImage>& base_images() {
  static const std::vector<BaseImage> images = [] {
    block::DriverRegistry::instance().add(qcow2_driver::driver);
    const Shape shapes[] = {
        {"plain-512", 9, {}},
        {"plain-4k", 12, {{"refcount_bits", "1"}}},
        {"plain-4k-lazy-unclean", 12, {{"lazy_refcounts", "on"}, {"refcount_bits", "64"}}, true},
        {"dedup-512", 9, {{"dedup", "sha256"}}},
        {"dedup-4k", 12, {{"dedup", "sha256"}}},
        {"dedup-4k-unclean", 12, {{"dedup", "sha256"}}, true},
        {"dedup-128k", 17, {{"dedup", "sha256"}}},
    };
    std::vector<BaseImage> made;
    for (const Shape& shape : shapes)
      made.push_back(make(shape));
    return made;
  }();
  return images;
}

std::span<const BaseImage> dedup_images() {
  return std::span(base_images()).subspan(3);
}

} // namespace fuzz
