// The memory of bounce buffers: huge pages, which are cut into units.
#include "block/file/bounce.h"

#include "block/util/huge-memory.h"
#include "block/util/mutex.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace block {

// A huge page. One bit of `taken_` stands for one unit of it.
class BounceRegion {
public:
  // Returns null if no run of free units is long enough. Takes the lowest such run, because the
  // lowest units are the most likely to be in the processor's caches.
  std::byte* take(std::size_t bytes) {
    const std::uint64_t wanted = mask(bytes);
    for (unsigned place = 0; place + units_of(bytes) <= units; ++place) {
      if ((taken_ & wanted << place) != 0) continue;
      taken_ |= wanted << place;
      return memory_.span().data() + place * unit_bytes;
    }
    return nullptr;
  }
  void give(std::span<const std::byte> taken) {
    const auto place = static_cast<unsigned>((taken.data() - memory_.span().data()) / unit_bytes);
    taken_ &= ~(mask(taken.size()) << place);
  }
  bool unused() const { return taken_ == 0; }

private:
  static constexpr unsigned units = 64;
  static constexpr std::size_t unit_bytes = HugeMemory::page_bytes / units;

  static std::size_t units_of(std::size_t bytes) { return (bytes + unit_bytes - 1) / unit_bytes; }
  // One bit for each unit that `bytes` needs. `bytes` must be less than a whole region.
  static std::uint64_t mask(std::size_t bytes) { return (std::uint64_t{1} << units_of(bytes)) - 1; }

  HugeMemory memory_{HugeMemory::page_bytes};
  std::uint64_t taken_ = 0;
};

namespace {

static_assert(BounceBuffer::most_bytes < HugeMemory::page_bytes);

// Number of unused regions that are kept. Each holds two of the largest buffers.
constexpr std::size_t most_kept = 8;

class Regions {
public:
  std::span<std::byte> take(std::size_t bytes, BounceRegion*& from) {
    MutexGuard hold(mutex_);
    for (const auto& region : regions_)
      if (std::byte* memory = region->take(bytes)) {
        from = region.get();
        return {memory, bytes};
      }
    from = regions_.emplace_back(std::make_unique<BounceRegion>()).get();
    return {from->take(bytes), bytes};
  }
  void give(std::span<const std::byte> memory, BounceRegion& from) {
    std::unique_ptr<BounceRegion> left; // destroyed after the unlock, because unmapping takes long
    MutexGuard hold(mutex_);
    from.give(memory);
    if (!from.unused() || regions_.size() <= most_kept) return;
    const auto place = std::ranges::find(regions_, &from, &std::unique_ptr<BounceRegion>::get);
    left = std::move(*place);
    regions_.erase(place);
  }

private:
  Mutex mutex_;
  std::vector<std::unique_ptr<BounceRegion>> regions_ GUARDED_BY(mutex_);
};

Regions& regions() {
  static Regions all;
  return all;
}

} // namespace

BounceBuffer::BounceBuffer(std::uint64_t bytes)
    : span_(regions().take(std::min(bytes, most_bytes), region_)) {}

BounceBuffer::~BounceBuffer() {
  regions().give(span_, *region_);
}

} // namespace block
