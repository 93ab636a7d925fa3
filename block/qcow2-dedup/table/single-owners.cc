// SingleOwners: an array of 40-bit numbers for each hash block.
#include "block/qcow2-dedup/table/single-owners.h"

#include <algorithm>

namespace qcow2_dedup {

SingleOwners::SingleOwners(std::uint64_t blocks, std::uint64_t max_bytes)
    : blocks_(blocks),
      max_used_(std::max<std::uint64_t>(1, max_bytes / sizeof(OfBlock))),
      end_(blocks) {}

void SingleOwners::start(std::uint64_t first_block) {
  for (std::uint64_t index = begin_; index < end_; ++index)
    blocks_[index].reset();
  used_ = 0;
  begin_ = first_block;
  end_ = blocks_.size();
}

void SingleOwners::record(HostCluster host, GuestCluster guest) {
  std::uint64_t index = block_index_of(host);
  if (index < begin_ || index >= end_) return;
  if (!blocks_[index]) {
    if (used_ == max_used_) {
      // The last block of the window is dropped to make room; it may be this one.
      while (end_ > index + 1 && !blocks_[end_ - 1])
        --end_;
      --end_;
      if (end_ == index) return;
      blocks_[end_].reset();
      --used_;
    }
    blocks_[index] = std::make_unique<OfBlock>();
    blocks_[index]->fill(0xff); // none
    ++used_;
  }
  std::uint8_t* to = blocks_[index]->data() + slot_of(host) * owner_bytes;
  for (std::size_t i = 0; i < owner_bytes; ++i)
    to[i] = static_cast<std::uint8_t>(guest.value() >> (8 * i));
}

std::optional<GuestCluster> SingleOwners::owner(HostCluster host) const {
  const std::unique_ptr<OfBlock>& of_block = blocks_[block_index_of(host)];
  if (!of_block) return std::nullopt;
  const std::uint8_t* from = of_block->data() + slot_of(host) * owner_bytes;
  std::uint64_t guest = 0;
  for (std::size_t i = 0; i < owner_bytes; ++i)
    guest |= std::uint64_t{from[i]} << (8 * i);
  return guest == none ? std::nullopt : std::optional(GuestCluster(guest));
}

} // namespace qcow2_dedup
