// Making of small images, and running checks on them.
#include "tests/qcow2/check/check-image.h"

#include "block/qcow2/check/refcount-field.h"
#include "tests/support/memory-file.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace qcow2 {
namespace {

using block::Graph;

std::vector<std::byte> read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

} // namespace

TemporaryFile::TemporaryFile(const std::vector<std::byte>& content) {
  char name[] = "/tmp/qcow2-check-XXXXXX";
  int descriptor = ::mkstemp(name);
  EXPECT_GE(descriptor, 0);
  ::close(descriptor);
  path_ = name;
  std::ofstream file(path_, std::ios::binary);
  file.write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size()));
}

TemporaryFile::~TemporaryFile() {
  ::unlink(path_.c_str());
}

std::vector<std::byte> TemporaryFile::content() const {
  return read_whole(path_);
}

CheckImage::CheckImage(CheckImageShape shape) : shape_(shape) {
  std::uint64_t per_block = cluster_bytes() * 8 >> shape.refcount_order;
  while (refcount_blocks_ * per_block < end())
    ++refcount_blocks_;
  bytes_.resize(offset(end()));

  Header header;
  header.cluster_bits = shape.cluster_bits;
  header.refcount_order = shape.refcount_order;
  header.guest_size = shape.guest_clusters << shape.cluster_bits;
  header.l1_entries = 1;
  header.l1_offset = HostOffset(offset(l1()));
  header.refcount_table_offset = HostOffset(offset(refcount_table));
  header.refcount_table_clusters = 1;
  auto encoded = header.encode();
  std::copy(encoded.value().begin(), encoded.value().end(), bytes_.begin());

  for (std::uint64_t i = 0; i < refcount_blocks_; ++i)
    set_refcount_table_entry(i, offset(refcount_block + i));
  for (std::uint64_t cluster = 0; cluster < end(); ++cluster)
    set_refcount(cluster, 1);
  set_l1_entry(0, offset(l2()) | copied_flag);
  for (std::uint64_t i = 0; i < shape.data_clusters; ++i) {
    set_l2_entry(i, offset(data(i)) | copied_flag);
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset(data(i))), cluster_bytes(),
                static_cast<std::byte>(i + 1));
  }
}

void CheckImage::set64(std::uint64_t at, std::uint64_t value) {
  block::store_big_endian(&bytes_.at(at), value);
}

std::uint64_t CheckImage::get64(std::uint64_t at) const {
  return at + 8 <= bytes_.size() ? block::load_big_endian<std::uint64_t>(&bytes_.at(at)) : 0;
}

Header CheckImage::header() const {
  return decode_header(bytes_).value();
}

void CheckImage::set_refcount(std::uint64_t cluster, std::uint64_t count) {
  std::uint64_t per_block = cluster_bytes() * 8 >> shape_.refcount_order;
  store_refcount(&bytes_.at(offset(refcount_block + cluster / per_block)), cluster % per_block,
                 shape_.refcount_order, count);
}

std::uint64_t CheckImage::refcount(std::uint64_t cluster) const {
  std::uint64_t per_block = cluster_bytes() * 8 >> shape_.refcount_order;
  std::uint64_t block =
      get64(header().refcount_table_offset.value() + cluster / per_block * table_entry_bytes);
  if (block == 0 || block > bytes_.size() - cluster_bytes()) return 0;
  return load_refcount(&bytes_.at(block), cluster % per_block, shape_.refcount_order);
}

std::vector<std::byte> CheckImage::data_bytes() const {
  return {bytes_.begin() + static_cast<std::ptrdiff_t>(offset(data())),
          bytes_.begin() + static_cast<std::ptrdiff_t>(offset(end()))};
}

template <typename Action>
CheckOutcome CheckImage::run(Action action) {
  CheckOutcome outcome;
  auto memory = block::MemoryFile::create("check-image", bytes_);
  if (full_) memory->set_capacity(bytes_.size());
  Graph graph;
  auto node = graph.open({{"driver", "memory"}, {"filename", "check-image"}}, {});
  if (!node) return {{}, {}, node.error().message()};
  HostFile host(**node);
  auto decoded = decode_header(bytes_);
  if (!decoded) return {{}, {}, decoded.error().message()};
  Header header = decoded.value();
  auto report = action(host, header, outcome.lines);
  if (report)
    outcome.report = report.value();
  else
    outcome.error = report.error().message();
  EXPECT_TRUE(graph.close_all());
  bytes_ = memory->content();
  auto after = decode_header(bytes_);
  if (after) {
    // The caller's header is what the file says.
    EXPECT_EQ(header.incompatible_features, after.value().incompatible_features);
    EXPECT_EQ(header.refcount_table_offset, after.value().refcount_table_offset);
    EXPECT_EQ(header.refcount_table_clusters, after.value().refcount_table_clusters);
  }
  return outcome;
}

CheckOutcome CheckImage::check(bool repair_leaks, bool repair_errors, CheckClient* client) {
  return run([&](HostFile& host, Header& header, std::vector<std::string>& lines) {
    block::CheckRequest request;
    request.repair_leaks = repair_leaks;
    request.repair_errors = repair_errors;
    request.report = [&](const std::string& line) { lines.push_back(line); };
    return qcow2::check(host, header, request, client);
  });
}

CheckOutcome CheckImage::repair_after_crash(CheckClient* client) {
  return run([&](HostFile& host, Header& header, std::vector<std::string>&) {
    return qcow2::repair_after_crash(host, header, client);
  });
}

int CheckImage::stock_check(std::vector<std::string>* findings) const {
  if (std::system("command -v qemu-img >/dev/null") != 0) return -1;
  TemporaryFile image(bytes_);
  TemporaryFile output({});
  std::string command =
      "qemu-img check -f qcow2 " + image.path() + " 2>" + output.path() + " >/dev/null";
  int status = std::system(command.c_str());
  if (findings) {
    std::ifstream lines(output.path());
    for (std::string line; std::getline(lines, line);)
      findings->push_back(line);
  }
  return WEXITSTATUS(status);
}

} // namespace qcow2
