// GuestDisk: requests of tagged sectors, and checks.
#include "tests/crash/guest-disk.h"

#include <chrono>
#include <thread>

namespace crash {

using block::IoVector;

Result<void> GuestDisk::open(Options options) {
  BLOCK_TRY_ASSIGN(node_, graph_.open(std::move(options), {}));
  block::Access access;
  access.write = true;
  BLOCK_TRY_ASSIGN(attachment_, block::Node::attach(node_, "guest", access));
  return wait_for_dedup();
}

Result<void> GuestDisk::open_read_only(Options options) {
  block::Graph::OpenDefaults defaults;
  defaults.read_only = true;
  BLOCK_TRY_ASSIGN(node_, graph_.open(std::move(options), defaults));
  return {};
}

Result<void> GuestDisk::wait_for_dedup() {
  while (true) {
    Result<block::DedupInfo> info = node_->query_dedup();
    if (!info)
      return info.error().kind() == block::ErrorKind::not_dedup ? Result<void>()
                                                                : std::move(info).error();
    if (info->status == block::DedupStatus::paused || info->status == block::DedupStatus::running)
      return {};
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

Result<void> GuestDisk::close() {
  attachment_ = {};
  std::string name = node_->name();
  node_.reset();
  return graph_.close(name);
}

Result<void> GuestDisk::write(std::size_t first, std::span<const Tag> tags) {
  std::vector<std::byte> bytes = content_of(tags);
  return node_->co_writev(first * sector_bytes, IoVector(bytes.data(), bytes.size()));
}

Result<void> GuestDisk::write_zeroes(std::size_t first, std::size_t sectors, bool unmap) {
  return node_->co_pwrite_zeroes(first * sector_bytes, sectors * sector_bytes,
                                 {.fua = false, .may_unmap = unmap, .no_fallback = false});
}

Result<void> GuestDisk::discard(std::size_t first, std::size_t sectors) {
  return node_->co_pdiscard(first * sector_bytes, sectors * sector_bytes);
}

Result<std::vector<Tag>> GuestDisk::read_all() {
  BLOCK_TRY_ASSIGN(std::uint64_t length, node_->co_get_length());
  std::vector<std::byte> bytes(length);
  BLOCK_TRY(node_->co_readv(0, IoVector(bytes.data(), bytes.size())));
  return tags_in(bytes);
}

Result<block::CheckReport> check(Options options, Repair repair, std::string& lines, bool deep) {
  block::CheckRequest request;
  request.deep = deep;
  request.repair_leaks = repair != Repair::none;
  request.repair_errors = repair == Repair::all;
  request.report = [&, left = 10](const std::string& line) mutable {
    if (left-- > 0) lines += "\n  " + line;
  };
  block::Graph::OpenDefaults defaults;
  defaults.read_only = repair == Repair::none;
  defaults.for_check = true;
  block::Graph graph;
  BLOCK_TRY_ASSIGN(std::shared_ptr<block::Node> node, graph.open(std::move(options), defaults));
  BLOCK_TRY_ASSIGN(block::CheckReport report, node->check(request));
  node.reset();
  BLOCK_TRY(graph.close_all());
  return report;
}

} // namespace crash
