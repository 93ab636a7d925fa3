// Lookups: the candidates for a request's fingerprints, looked up many at a time, and only when one
// of them is needed.
#ifndef BLOCK_DEDUP_LOOKUPS_H
#define BLOCK_DEDUP_LOOKUPS_H

#include "block/dedup/index.h"

#include <array>
#include <cstddef>
#include <span>

namespace dedup {

// Not synchronised: must not outlive one hold of the lock that guards the index.
class Lookups {
public:
  // One of the fingerprints. Must not outlive its Lookups.
  class Lookup {
  public:
    const Fingerprint& fingerprint() const { return lookups_.fingerprints_[number_]; }
    // The candidates at the time of the first call for this fingerprint, or for a neighbouring one
    // shortly before. Valid until the next call.
    const Candidates& candidates() const { return lookups_.candidates(number_); }

  private:
    friend class Lookups;
    Lookup(Lookups& lookups, std::size_t number) : lookups_(lookups), number_(number) {}

    Lookups& lookups_;
    const std::size_t number_;
  };

  // Both arguments must outlive this object.
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
  // Results for the fingerprints [begin_, end_).
  std::array<Candidates, asked_at_once> found_;
  std::size_t begin_ = 0, end_ = 0;
};

} // namespace dedup

#endif
