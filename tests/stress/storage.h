// What the linearizability test runs on: sectors that hold tags.
#ifndef TESTS_STRESS_STORAGE_H
#define TESTS_STRESS_STORAGE_H

#include "block/node.h"
#include "tests/crash/tags.h"

#include <functional>
#include <span>

namespace stress {

using block::Result;
using crash::Tag;

// How a range of zeros is made.
enum class Zeroing { write, write_zeroes, discard };
constexpr unsigned zeroing_kinds = 3;

// Requests on any thread, several at a time. Sectors are numbers from 0 on.
class Storage {
public:
  virtual ~Storage() = default;
  virtual Result<void> write(std::size_t first, std::span<const Tag> tags) = 0;
  virtual Result<void> zero(std::size_t first, std::size_t sectors, Zeroing how) = 0;
  virtual Result<std::vector<Tag>> read(std::size_t first, std::size_t sectors) = 0;
};

// A node of the block layer.
class NodeStorage final : public Storage {
public:
  // The node is asked for at each request, because it may have been opened anew.
  explicit NodeStorage(std::function<block::Node&()> node) : node_(std::move(node)) {}

  Result<void> write(std::size_t first, std::span<const Tag> tags) override {
    const std::vector<std::byte> data = crash::content_of(tags);
    return node_().co_writev(first * crash::sector_bytes,
                             block::IoVector(data.data(), data.size()));
  }
  Result<void> zero(std::size_t first, std::size_t sectors, Zeroing how) override {
    const std::uint64_t offset = first * crash::sector_bytes;
    const std::uint64_t bytes = sectors * crash::sector_bytes;
    switch (how) {
    case Zeroing::write:
      break;
    case Zeroing::write_zeroes:
      return node_().co_pwrite_zeroes(offset, bytes);
    case Zeroing::discard:
      return node_().co_pdiscard(offset, bytes);
    }
    return write(first, std::vector<Tag>(sectors));
  }
  Result<std::vector<Tag>> read(std::size_t first, std::size_t sectors) override {
    std::vector<std::byte> data(sectors * crash::sector_bytes);
    BLOCK_TRY(
        node_().co_readv(first * crash::sector_bytes, block::IoVector(data.data(), data.size())));
    return crash::tags_in(data);
  }

private:
  std::function<block::Node&()> node_;
};

} // namespace stress

#endif
