// Lookups: what the index knows of a request's fingerprints, asked many at a time, and only once
// one of them is wanted.
#ifndef BLOCK_DEDUP_LOOKUPS_H
#define BLOCK_DEDUP_LOOKUPS_H

#include "block/dedup/index.h"

#include <array>
#include <cstddef>
#include <span>

namespace dedup {

// Not synchronised: lives no longer than one hold of the lock that guards the index.
class Lookups {
public:
  // One of the fingerprints. Lives no longer than its Lookups.
  class Lookup {
  public:
    const Fingerprint& fingerprint() const { return lookups_.fingerprints_[number_]; }
    // What the index knew of it when this was called for the first time, or for a fingerprint
    // shortly before it. Valid until the next call.
    const Candidates& candidates() const { return lookups_.candidates(number_); }

  private:
    friend class Lookups;
    Lookup(Lookups& lookups, std::size_t number) : lookups_(lookups), number_(number) {}

    Lookups& lookups_;
    const std::size_t number_;
  };

  // Both live longer than this.
  Lookups(const Index& index, std::span<const Fingerprint> fingerprints)
      : index_(index), fingerprints_(fingerprints) {}
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  // Numbers count from 0.
  Lookup operator[](std::size_t number) { return {*this, number}; }

private:
  static constexpr std::size_t asked_at_once = 32;

  const Candidates& candidates(std::size_t number);

  const Index& index_;
  const std::span<const Fingerprint> fingerprints_;
  // Of the fingerprints [begin_, end_).
  std::array<Candidates, asked_at_once> found_;
  std::size_t begin_ = 0, end_ = 0;
};

} // namespace dedup

#endif
