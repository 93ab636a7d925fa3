// Gathers concurrent writers of the same content: one writes, the others wait and then share.
//
// A writer that finds no stored cluster for its content begins a write here, before it releases the
// metadata lock to write the data. Whoever comes with the same fingerprint meanwhile gets a Handle
// instead of a Ticket. The rule that makes deadlock impossible: **a request first finishes all its
// own tickets and only then waits for others.** A ticket's owner therefore never waits for anybody
// while others wait for it. This also serves a request that holds one content twice: it gets a
// handle on its own ticket, and has finished that ticket when it waits.
//
// After a wait that succeeded the content is in the index as a rule; the waiter looks it up anew,
// since anything may have changed while it waited. After one that failed it begins again, and one
// of the waiters becomes the writer.
#ifndef BLOCK_DEDUP_IN_FLIGHT_H
#define BLOCK_DEDUP_IN_FLIGHT_H

#include "block/dedup/fingerprint.h"

#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>
#include <vector>

namespace dedup {

// Not synchronised by itself: every call is made under the image's metadata lock, a std::mutex.
class InFlight {
  struct Outcome;

public:
  // "You write." Must be given to finish() exactly once, on the thread that began it, before it is
  // destroyed: others may be waiting.
  class [[nodiscard]] Ticket {
  public:
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

    const Fingerprint& fingerprint() const { return fingerprint_; }

  private:
    friend class InFlight;
    explicit Ticket(const Fingerprint& fingerprint) : fingerprint_(fingerprint) {}

    Fingerprint fingerprint_;
    bool open_ = true;
  };

  // "Someone else is writing." May be dropped without waiting. Outlives the ticket safely.
  class [[nodiscard]] Handle {
  private:
    friend class InFlight;
    explicit Handle(std::shared_ptr<Outcome> outcome) : outcome_(std::move(outcome)) {}

    std::shared_ptr<Outcome> outcome_;
  };

  InFlight() = default;
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  // No ticket may be open any more.
  ~InFlight();

  std::variant<Ticket, Handle> begin(const Fingerprint& fingerprint);
  // Ends the write and wakes who waits for it. Success means: the content is stored and findable.
  void finish(Ticket ticket, bool success);
  // Blocks until the handle's ticket is finished and returns whether it succeeded. `lock` holds the
  // metadata lock; it is released while waiting and held again on return. The calling thread has no
  // open ticket (of any InFlight): asserted.
  bool wait(const Handle& handle, std::unique_lock<std::mutex>& lock);

  // Writes under way.
  std::size_t size() const { return writes_.size(); }

private:
  // By fingerprint; null until somebody waits: most writes have no company and need no condition
  // variable.
  using Writes = std::unordered_map<Fingerprint, std::shared_ptr<Outcome>>;
  Writes writes_;
  // For the next writes, so that not each one asks the allocator under the lock.
  std::vector<Writes::node_type> spare_;
};

} // namespace dedup

#endif
