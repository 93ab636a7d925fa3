// Addresses that cannot be confused: guest and host, bytes and clusters are different types.
//
// Guest: as the virtual machine addresses it. Host: within the image file. An offset counts bytes,
// a cluster counts whole clusters of the image's cluster size. Only ClusterSize converts between
// the two.
#ifndef BLOCK_TYPES_H
#define BLOCK_TYPES_H

#include <compare>
#include <cstdint>
#include <functional>

namespace block {

// A number with a unit. Tag makes each unit its own type.
template <typename Tag>
class Address {
public:
  constexpr Address() = default;
  constexpr explicit Address(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }

  constexpr auto operator<=>(const Address&) const = default;

  constexpr Address operator+(std::uint64_t distance) const { return Address(value_ + distance); }
  constexpr Address operator-(std::uint64_t distance) const { return Address(value_ - distance); }
  constexpr std::uint64_t operator-(Address other) const { return value_ - other.value_; }
  constexpr Address& operator+=(std::uint64_t distance) {
    value_ += distance;
    return *this;
  }
  constexpr Address& operator++() {
    ++value_;
    return *this;
  }

private:
  std::uint64_t value_ = 0;
};

using GuestOffset = Address<struct GuestOffsetTag>;   // bytes from the start of the virtual disk
using HostOffset = Address<struct HostOffsetTag>;     // bytes from the start of the image file
using GuestCluster = Address<struct GuestClusterTag>; // clusters from the start of the virtual disk
using HostCluster = Address<struct HostClusterTag>;   // clusters from the start of the image file

// The cluster size of one image: a power of two, in bytes.
class ClusterSize {
public:
  constexpr explicit ClusterSize(unsigned bits) : bits_(bits) {}

  constexpr unsigned bits() const { return bits_; }
  constexpr std::uint64_t bytes() const { return std::uint64_t{1} << bits_; }
  constexpr std::uint64_t mask() const { return bytes() - 1; }

  constexpr GuestCluster containing(GuestOffset offset) const {
    return GuestCluster(offset.value() >> bits_);
  }
  constexpr HostCluster containing(HostOffset offset) const {
    return HostCluster(offset.value() >> bits_);
  }
  constexpr GuestOffset start(GuestCluster cluster) const {
    return GuestOffset(cluster.value() << bits_);
  }
  constexpr HostOffset start(HostCluster cluster) const {
    return HostOffset(cluster.value() << bits_);
  }
  template <typename Tag>
  constexpr std::uint64_t within(Address<Tag> offset) const {
    return offset.value() & mask();
  }
  template <typename Tag>
  constexpr bool aligned(Address<Tag> offset) const {
    return within(offset) == 0;
  }
  // Returns the number of clusters that hold this many bytes, rounded up. Does not overflow.
  constexpr std::uint64_t clusters_for(std::uint64_t bytes) const {
    return (bytes >> bits_) + ((bytes & mask()) != 0 ? 1 : 0);
  }

private:
  unsigned bits_;
};

} // namespace block

template <typename Tag>
struct std::hash<block::Address<Tag>> {
  std::size_t operator()(block::Address<Tag> address) const noexcept {
    // Multiplied, because std::hash of an integer is that integer, and neighbours would fill
    // neighbouring buckets.
    return static_cast<std::size_t>(address.value() * 0x9E3779B97F4A7C15u);
  }
};

#endif
