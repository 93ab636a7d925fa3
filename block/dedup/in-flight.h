// Coordinates concurrent writers of the same content: one writes, the others wait and then share.
//
// A writer that finds no stored cluster for its content begins a write here, before it releases the
// metadata lock to write the data. A later writer with the same fingerprint gets a Handle instead
// of a Ticket. One rule makes deadlock impossible: **a request first finishes all its own tickets
// and only then waits for others.** So the owner of a ticket never waits while others wait for it.
// The rule also covers a request that holds one content twice: it gets a handle on its own ticket,
// and has finished that ticket when it waits.
//
// After a wait that succeeded, the content is usually in the index. The waiter looks it up anew,
// because anything may have changed meanwhile. After a wait that failed, the waiters begin again,
// and one of them becomes the writer.
#ifndef BLOCK_DEDUP_IN_FLIGHT_H
#define BLOCK_DEDUP_IN_FLIGHT_H

#include "block/dedup/fingerprint.h"
#include "block/util/mutex.h"

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

namespace dedup {

// Not synchronised itself: every call is made under the image's metadata lock.
class InFlight {
  struct Outcome {
    block::Condition finished_changed;
    bool finished = false;
    bool success = false;
  };

public:
  // The right and the duty to write the content. Pass it to finish() exactly once, on the thread
  // that began it, before it is destroyed: others may be waiting.
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

  // Another request is writing the content. May be dropped without waiting, and may outlive the
  // ticket.
  class [[nodiscard]] Handle {
  private:
    friend class InFlight;
    explicit Handle(std::shared_ptr<Outcome> outcome) : outcome_(std::move(outcome)) {}

    std::shared_ptr<Outcome> outcome_;
  };

  InFlight() = default;
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  // No ticket may be open.
  ~InFlight();

  std::variant<Ticket, Handle> begin(const Fingerprint& fingerprint);
  // Ends the write and wakes the waiters. `success`: the content is stored and can be found.
  void finish(Ticket ticket, bool success);
  // Blocks until the handle's ticket is finished and returns whether the write succeeded. `lock` is
  // the metadata lock, which the caller holds; it is released while waiting and held again on
  // return. The calling thread must have no open ticket (of any InFlight): asserted.
  template <typename Lock>
  bool wait(const Handle& handle, Lock& lock) BLOCK_THREAD_ATTRIBUTE(no_thread_safety_analysis) {
    assert_no_open_ticket();
    Outcome& outcome = *handle.outcome_;
    while (!outcome.finished)
      outcome.finished_changed.wait(lock);
    return outcome.success;
  }

  // Number of writes in flight.
  std::size_t size() const { return writes_.size(); }

private:
  static void assert_no_open_ticket();

  // By fingerprint. The value is null until a request waits: most writes have no waiter and need no
  // condition variable.
  using Writes = std::unordered_map<Fingerprint, std::shared_ptr<Outcome>>;
  Writes writes_;
  // Map nodes for the next writes, which saves an allocation under the lock for each write.
  std::vector<Writes::node_type> spare_;
};

} // namespace dedup

#endif
