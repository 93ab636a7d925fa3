// InFlight: tickets, and a shared outcome for the waiters.
#include "block/dedup/in-flight.h"

#include <cassert>

namespace dedup {
namespace {

// Number of open tickets of this thread, which enforces the rule of in-flight.h. It counts over all
// images, because a wait in one image while a ticket of another one is open could close a circle,
// too.
thread_local std::size_t open_tickets = 0;

constexpr std::size_t most_spare = 1024; // about as many as a few large requests have in flight

} // namespace

InFlight::Ticket::Ticket(Ticket&& other) noexcept
    : fingerprint_(other.fingerprint_), open_(std::exchange(other.open_, false)) {}

InFlight::Ticket& InFlight::Ticket::operator=(Ticket&& other) noexcept {
  assert(!open_ && "an open ticket is overwritten");
  fingerprint_ = other.fingerprint_;
  open_ = std::exchange(other.open_, false);
  return *this;
}

InFlight::Ticket::~Ticket() {
  assert(!open_ && "a ticket is destroyed unfinished");
}

InFlight::~InFlight() {
  assert(writes_.empty());
}

std::variant<InFlight::Ticket, InFlight::Handle> InFlight::begin(const Fingerprint& fingerprint) {
  const auto write = writes_.find(fingerprint);
  if (write != writes_.end()) {
    if (!write->second) write->second = std::make_shared<Outcome>();
    return Handle(write->second);
  }
  if (spare_.empty()) {
    writes_.try_emplace(fingerprint);
  } else {
    spare_.back().key() = fingerprint;
    writes_.insert(std::move(spare_.back()));
    spare_.pop_back();
  }
  ++open_tickets;
  return Ticket(fingerprint);
}

void InFlight::finish(Ticket ticket, bool success) {
  assert(ticket.open_ && "a ticket is finished twice");
  ticket.open_ = false;
  assert(open_tickets > 0 && "a ticket is finished on another thread");
  --open_tickets;
  const auto write = writes_.find(ticket.fingerprint_);
  assert(write != writes_.end());
  if (Outcome* outcome = write->second.get()) {
    outcome->finished = true;
    outcome->success = success;
    outcome->finished_changed.notify_all();
  }
  write->second.reset();
  auto ended = writes_.extract(write);
  if (spare_.size() < most_spare) spare_.push_back(std::move(ended));
}

void InFlight::assert_no_open_ticket() {
  assert(open_tickets == 0 && "waiting for others with own tickets open");
}

} // namespace dedup
