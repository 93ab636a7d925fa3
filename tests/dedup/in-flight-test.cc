// Concurrent writers of one content: who writes, who waits, and what the waiters learn.
#include "block/dedup/in-flight.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace dedup {
namespace {

using Ticket = InFlight::Ticket;
using Handle = InFlight::Handle;

Fingerprint content(unsigned number) {
  Fingerprint result;
  result.bytes[0] = static_cast<std::byte>(number);
  result.bytes[31] = std::byte{1};
  return result;
}

Ticket ticket_for(InFlight& in_flight, const Fingerprint& fingerprint) {
  auto begun = in_flight.begin(fingerprint);
  EXPECT_TRUE(std::holds_alternative<Ticket>(begun));
  return std::get<Ticket>(std::move(begun));
}

TEST(InFlight, MakesTheFirstAWriterAndTheSecondAWaiter) {
  InFlight in_flight;
  Ticket ticket = ticket_for(in_flight, content(1));
  EXPECT_EQ(ticket.fingerprint(), content(1));
  EXPECT_TRUE(std::holds_alternative<Handle>(in_flight.begin(content(1))));
  EXPECT_EQ(in_flight.size(), 1u);
  in_flight.finish(std::move(ticket), true);
  EXPECT_EQ(in_flight.size(), 0u);
}

TEST(InFlight, LetsDifferentContentsBeWrittenTogether) {
  InFlight in_flight;
  Ticket first = ticket_for(in_flight, content(1));
  Ticket second = ticket_for(in_flight, content(2));
  EXPECT_EQ(in_flight.size(), 2u);
  in_flight.finish(std::move(first), true);
  in_flight.finish(std::move(second), true);
}

TEST(InFlight, AnswersAtOnceWhenTheTicketEndedBeforeTheWait) {
  InFlight in_flight;
  block::Mutex mutex;
  std::unique_lock lock(mutex);
  for (const bool success : {true, false}) {
    Ticket ticket = ticket_for(in_flight, content(1));
    const Handle handle = std::get<Handle>(in_flight.begin(content(1)));
    in_flight.finish(std::move(ticket), success);
    EXPECT_EQ(in_flight.wait(handle, mutex), success);
    EXPECT_TRUE(lock.owns_lock());
  }
}

TEST(InFlight, KeepsTheOutcomeOfAnEarlierWriteApartFromALaterOne) {
  InFlight in_flight;
  block::Mutex mutex;
  std::unique_lock lock(mutex);
  Ticket failing = ticket_for(in_flight, content(1));
  const Handle first_handle = std::get<Handle>(in_flight.begin(content(1)));
  in_flight.finish(std::move(failing), false);
  Ticket again = ticket_for(in_flight, content(1));
  in_flight.finish(std::move(again), true);
  EXPECT_FALSE(in_flight.wait(first_handle, mutex));
}

TEST(InFlight, WakesEveryWaiterWhenTheWriterSucceeds) {
  InFlight in_flight;
  block::Mutex mutex;
  std::unique_lock lock(mutex);
  Ticket ticket = ticket_for(in_flight, content(1));
  std::atomic<int> about_to_wait = 0;
  std::atomic<int> successes = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i)
    waiters.emplace_back([&] {
      std::unique_lock own_lock(mutex);
      const Handle handle = std::get<Handle>(in_flight.begin(content(1)));
      ++about_to_wait;
      if (in_flight.wait(handle, mutex)) ++successes;
    });
  lock.unlock();
  while (about_to_wait < 4)
    std::this_thread::yield();
  lock.lock(); // each waiter has released the lock, so each waits by now
  EXPECT_EQ(successes, 0);
  in_flight.finish(std::move(ticket), true);
  lock.unlock();
  for (std::thread& waiter : waiters)
    waiter.join();
  EXPECT_EQ(successes, 4);
  EXPECT_EQ(in_flight.size(), 0u);
}

TEST(InFlight, MakesExactlyOneWaiterTheWriterWhenTheFirstFails) {
  InFlight in_flight;
  block::Mutex mutex;
  std::unique_lock lock(mutex);
  Ticket failing = ticket_for(in_flight, content(1));
  std::atomic<int> about_to_wait = 0;
  int writers = 0; // by the mutex
  int sharers = 0; // by the mutex
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      std::unique_lock own_lock(mutex);
      const Handle failed = std::get<Handle>(in_flight.begin(content(1)));
      ++about_to_wait;
      EXPECT_FALSE(in_flight.wait(failed, mutex));
      if (writers > 0 && in_flight.size() == 0) {
        ++sharers; // came late: the content is stored and would be found in the index
        return;
      }
      auto begun = in_flight.begin(content(1));
      if (auto* ticket = std::get_if<Ticket>(&begun)) {
        ++writers;
        own_lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        own_lock.lock();
        in_flight.finish(std::move(*ticket), true);
      } else if (in_flight.wait(std::get<Handle>(begun), mutex)) {
        ++sharers;
      }
    });
  lock.unlock();
  while (about_to_wait < 4)
    std::this_thread::yield();
  lock.lock();
  in_flight.finish(std::move(failing), false);
  lock.unlock();
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(writers, 1);
  EXPECT_EQ(sharers, 3);
  EXPECT_EQ(in_flight.size(), 0u);
}

// As the write path does: take all tickets, write, finish them, and only then wait.
TEST(InFlight, EndsWhenRequestsOverlapInEveryOrder) {
  constexpr unsigned contents = 6;
  InFlight in_flight;
  block::Mutex mutex;
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed)
    threads.emplace_back([&in_flight, &mutex, seed] {
      for (unsigned round = 0; round < 300; ++round) {
        std::vector<Ticket> tickets;
        std::vector<Handle> handles;
        std::unique_lock lock(mutex);
        for (unsigned i = 0; i < contents; ++i) {
          const unsigned number = (i * (seed + 1) + round) % contents; // also twice the same
          auto begun = in_flight.begin(content(number));
          if (auto* ticket = std::get_if<Ticket>(&begun))
            tickets.push_back(std::move(*ticket));
          else
            handles.push_back(std::get<Handle>(std::move(begun)));
        }
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
        for (Ticket& ticket : tickets)
          in_flight.finish(std::move(ticket), (round + seed) % 3 != 0);
        for (const Handle& handle : handles)
          in_flight.wait(handle, mutex);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(in_flight.size(), 0u);
}

#ifndef NDEBUG
TEST(InFlightDeathTest, RefusesToWaitWithOwnTicketsOpen) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        InFlight in_flight;
        block::Mutex mutex;
        std::unique_lock lock(mutex);
        Ticket ticket = ticket_for(in_flight, content(1));
        const Handle handle = std::get<Handle>(in_flight.begin(content(1)));
        in_flight.wait(handle, mutex);
      },
      "own tickets open");
}

TEST(InFlightDeathTest, RefusesToLoseATicket) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        InFlight in_flight;
        Ticket ticket = ticket_for(in_flight, content(1));
      },
      "destroyed unfinished");
}
#endif

} // namespace
} // namespace dedup
