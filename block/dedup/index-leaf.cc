// Leaf: search, insertion, removal and splitting in a packed sorted array.
#include "block/dedup/index-leaf.h"

#include <glib.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace dedup {
namespace {

constexpr std::size_t growth_step = 32;   // entries
constexpr std::size_t first_step = 16;    // entries, the first step of a search
constexpr std::uintptr_t cache_line = 64; // bytes
// Bytes prefetched to either side: the position is about ten entries off.
constexpr std::uintptr_t fetched_around = 2 * cache_line;

std::size_t rounded_to_step(std::size_t entries) {
  return (entries + growth_step - 1) / growth_step * growth_step;
}

} // namespace

std::uint64_t heap_cost(std::size_t bytes) {
  if (bytes == 0) return 0;
  constexpr std::size_t header = sizeof(void*);
  constexpr std::size_t alignment = 2 * sizeof(void*);
  return std::max(2 * alignment, (bytes + header + alignment - 1) / alignment * alignment);
}

void Leaf::Free::operator()(LeafEntry* entries) const {
  g_free(entries);
}

std::uint64_t Leaf::array_cost() const {
  return heap_cost(capacity_ * sizeof(LeafEntry));
}

void Leaf::set_capacity(std::size_t wanted) {
  if (wanted == capacity_) return;
  void* resized = g_realloc_n(entries_.release(), wanted, sizeof(LeafEntry));
  entries_.reset(static_cast<LeafEntry*>(resized));
  capacity_ = static_cast<std::uint32_t>(wanted);
}

void Leaf::note_ends() {
  if (size_ == 0) return;
  first_ = entries_.get()[0].prefix48();
  last_ = entries_.get()[size_ - 1].prefix48();
}

std::size_t Leaf::proportional_place(std::uint64_t prefix48) const {
  return (prefix48 - first_) * (size_ - 1) / (last_ - first_);
}

void Leaf::prefetch(std::uint64_t prefix48) const {
  if (size_ == 0) return;
  std::size_t place = 0;
  if (prefix48 > first_) place = prefix48 > last_ ? size_ - 1 : proportional_place(prefix48);
  const auto near = reinterpret_cast<std::uintptr_t>(entries_.get() + place);
  for (std::uintptr_t at = near - fetched_around; at <= near + fetched_around; at += cache_line)
    __builtin_prefetch(reinterpret_cast<const void*>(at)); // harmless for any address
}

// Fingerprints are distributed evenly, so the position is near the interpolated one, about ten
// entries off. A widening window around the interpolated position reads two or three cache lines;
// bisection of the whole leaf reads five or six. An uneven distribution only takes more steps, at
// most twice those of bisection.
std::size_t Leaf::lower_bound(std::uint64_t prefix48) const {
  const LeafEntry* entries = entries_.get();
  if (size_ == 0 || prefix48 <= first_) return 0;
  if (prefix48 > last_) return size_;
  const std::size_t guess = proportional_place(prefix48);
  // Invariant: the position is in [begin, end].
  std::size_t begin = 1, end = size_ - 1;
  if (entries[guess].prefix48() < prefix48) {
    begin = guess + 1;
    for (std::size_t step = first_step; begin + step < end; step *= 2) {
      if (entries[begin + step].prefix48() >= prefix48) {
        end = begin + step;
        break;
      }
      begin += step + 1;
    }
  } else {
    end = guess;
    for (std::size_t step = first_step; begin + step < end; step *= 2) {
      if (entries[end - step].prefix48() < prefix48) {
        begin = end - step + 1;
        break;
      }
      end -= step;
    }
  }
  return static_cast<std::size_t>(
      std::partition_point(entries + begin, entries + end,
                           [&](const LeafEntry& entry) { return entry.prefix48() < prefix48; }) -
      entries);
}

Candidates Leaf::find(std::uint64_t prefix48) const {
  Candidates found;
  for (std::size_t at = lower_bound(prefix48); at < size_; ++at) {
    const LeafEntry& entry = entries_.get()[at];
    if (entry.prefix48() != prefix48) break;
    found.push_back(entry.cluster()); // insert() allows at most max_size
  }
  return found;
}

Leaf::Insertion Leaf::insert(std::uint64_t prefix48, block::HostCluster cluster) {
  assert(!full());
  std::size_t at = lower_bound(prefix48);
  std::size_t equal = 0;
  for (; at < size_ && entries_.get()[at].prefix48() == prefix48; ++at, ++equal)
    if (entries_.get()[at].cluster() == cluster) return Insertion::known;
  if (equal >= Candidates::max_size) return Insertion::too_many;
  if (size_ == capacity_) set_capacity(capacity_ + growth_step);
  LeafEntry* place = entries_.get() + at;
  std::memmove(place + 1, place, (size_ - at) * sizeof(LeafEntry));
  *place = LeafEntry(prefix48, cluster);
  ++size_;
  if (at == 0) first_ = prefix48;
  if (at == size_ - 1) last_ = prefix48;
  return Insertion::done;
}

bool Leaf::remove(std::uint64_t prefix48, block::HostCluster cluster) {
  std::size_t at = lower_bound(prefix48);
  while (true) {
    if (at == size_ || entries_.get()[at].prefix48() != prefix48) return false;
    if (entries_.get()[at].cluster() == cluster) break;
    ++at;
  }
  remove_at(at);
  // One step of spare capacity stays, so that alternating removal and insertion does not resize
  // each time.
  if (capacity_ - size_ >= 2 * growth_step) set_capacity(rounded_to_step(size_));
  return true;
}

void Leaf::remove_at(std::size_t at) {
  LeafEntry* place = entries_.get() + at;
  std::memmove(place, place + 1, (size_ - at - 1) * sizeof(LeafEntry));
  --size_;
  if (at == 0 || at == size_) note_ends();
}

std::unique_ptr<Leaf> Leaf::split_lower_half() {
  const LeafEntry* entries = entries_.get();
  std::size_t middle = size_ / 2;
  while (middle < size_ && entries[middle].prefix48() == entries[middle - 1].prefix48())
    ++middle;
  assert(middle < size_);
  auto lower = std::make_unique<Leaf>();
  lower->set_capacity(rounded_to_step(middle));
  std::memcpy(lower->entries_.get(), entries, middle * sizeof(LeafEntry));
  lower->size_ = static_cast<std::uint32_t>(middle);
  std::memmove(entries_.get(), entries + middle, (size_ - middle) * sizeof(LeafEntry));
  size_ -= static_cast<std::uint32_t>(middle);
  set_capacity(rounded_to_step(size_));
  lower->note_ends();
  note_ends();
  return lower;
}

void Leaf::prepend(const Leaf& lower) {
  const std::size_t total = size_ + lower.size_;
  assert(total <= max_entries);
  if (total > capacity_) set_capacity(rounded_to_step(total));
  std::memmove(entries_.get() + lower.size_, entries_.get(), size_ * sizeof(LeafEntry));
  std::memcpy(entries_.get(), lower.entries_.get(), lower.size_ * sizeof(LeafEntry));
  size_ = static_cast<std::uint32_t>(total);
  note_ends();
}

} // namespace dedup
