// Requests held in the middle, one at a time, while others do what could harm them.
#include "tests/support/qcow2-disk.h"

#include <future>
#include <list>

namespace qcow2_dedup {
namespace {

using namespace std::chrono_literals;
using block::DebugEvent;
using block::Qcow2Disk;
using block::Result;

class Interleaving : public testing::Test {
protected:
  using Request = std::future<Result<void>>;

  void SetUp() override { disk.write(63, disk.pattern(99)); } // the header is marked, L2 is there
  void TearDown() override {
    // A test that has failed may have left requests where they are held.
    EXPECT_TRUE(succeeded(disk.node().debug_remove_breakpoint("")));
    requests.clear();
    EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
    disk.share_and_overwrite();
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }

  void break_at(DebugEvent event) {
    ASSERT_TRUE(succeeded(disk.node().debug_breakpoint(event, "held")));
  }
  testing::AssertionResult is_held() {
    Result<bool> held = disk.node().debug_wait("held", 10s);
    if (held && *held) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "no request came to the break point";
  }
  void resume() { ASSERT_TRUE(succeeded(disk.node().debug_resume("held"))); }

  // Requests on threads of their own.
  template <typename Function>
  Request& start(Function function) {
    return requests.emplace_back(std::async(std::launch::async, std::move(function)));
  }
  Request& start_write(std::uint64_t guest, const std::string& data) {
    return start([this, guest, data] { return disk.try_write(guest, data); });
  }
  static bool waits(Request& request) {
    return request.wait_for(50ms) == std::future_status::timeout;
  }
  static testing::AssertionResult ends(Request& request) {
    if (request.wait_for(10s) == std::future_status::ready) return succeeded(request.get());
    return testing::AssertionFailure() << "the request does not end";
  }

  Qcow2Disk disk{{.debug = true}};
  const std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);
  std::list<Request> requests; // whose end is waited for before the disk's
};

TEST_F(Interleaving, ADuplicateOfWhatIsNotWrittenYetWaitsAndThenShares) {
  break_at(DebugEvent::write_aio);
  Request& first = start_write(0, a);
  ASSERT_TRUE(is_held());
  Request& second = start_write(9, a);
  EXPECT_TRUE(waits(second));
  EXPECT_FALSE(disk.host_of(0)) << "linked before it is written";
  resume();
  EXPECT_TRUE(ends(first));
  EXPECT_TRUE(ends(second));
  EXPECT_EQ(disk.host_of(0), disk.host_of(9));
  EXPECT_TRUE(disk.holds(0, a));
  EXPECT_TRUE(disk.holds(9, a));
}

TEST_F(Interleaving, AWriterThatWaitedForOneThatFailsWritesItself) {
  EXPECT_TRUE(succeeded(disk.close()));
  disk.open({{"file.inject-error.0.event", "write_aio"},
             {"file.inject-error.0.errno", std::to_string(ENOSPC)},
             {"file.inject-error.0.once", "on"}});
  disk.wait_for_index();
  break_at(DebugEvent::write_aio);
  Request& first = start_write(0, a);
  ASSERT_TRUE(is_held());
  Request& second = start_write(9, a);
  EXPECT_TRUE(waits(second));
  resume();
  EXPECT_EQ(kind_of(first.get()), block::ErrorKind::no_space);
  EXPECT_TRUE(ends(second));
  EXPECT_TRUE(disk.holds(0, disk.zeros()));
  EXPECT_TRUE(disk.holds(9, a));
}

TEST_F(Interleaving, AReaderSeesAnOverwriteWhollyAndOthersNeedNotWait) {
  disk.write(0, a);
  disk.write(1, a); // shared: the overwrite goes to a new place
  break_at(DebugEvent::dedup_link);
  Request& overwrite = start_write(0, b);
  ASSERT_TRUE(is_held());
  Request& reader = start([&] {
    EXPECT_TRUE(disk.holds(0, b));
    return Result<void>();
  });
  EXPECT_TRUE(waits(reader));
  EXPECT_TRUE(disk.holds(1, a));
  disk.write(2, c);
  resume();
  EXPECT_TRUE(ends(overwrite));
  EXPECT_TRUE(ends(reader));
}

TEST_F(Interleaving, AFlushKeepsTheOldContentOfWhatIsBeingOverwritten) {
  disk.write(0, a);
  disk.write(1, a);
  break_at(DebugEvent::dedup_link);
  Request& overwrite = start_write(0, b);
  ASSERT_TRUE(is_held());
  disk.flush(); // waits for nobody
  Qcow2Disk after_power_cut({}, disk.file->durable_content());
  resume();
  EXPECT_TRUE(ends(overwrite));
  EXPECT_TRUE(disk.holds(0, b + a));
  after_power_cut.open();
  EXPECT_TRUE(after_power_cut.holds(0, a + a));
}

TEST_F(Interleaving, AFoundDuplicateStaysThoughItsOwnerGoes) {
  disk.write(0, a);
  disk.flush();
  break_at(DebugEvent::dedup_found);
  Request& duplicate = start_write(9, a);
  ASSERT_TRUE(is_held());
  const auto shared = disk.host_of(0);
  disk.discard(0);
  disk.flush(); // now what nobody uses is free
  for (unsigned i = 20; i < 40; ++i) {
    disk.write(i, disk.pattern(i));
    EXPECT_NE(disk.host_of(i), shared) << "given away while a request is about to link it";
  }
  resume();
  EXPECT_TRUE(ends(duplicate));
  EXPECT_EQ(disk.host_of(9), shared);
  EXPECT_EQ(disk.refcount_of(9), 1u);
  EXPECT_TRUE(disk.holds(9, a));
  EXPECT_TRUE(disk.holds(0, disk.zeros()));
}

TEST_F(Interleaving, AFoundDuplicateIsNotOverwrittenInPlaceWhenDeduplicationIsPaused) {
  disk.write(0, a);
  break_at(DebugEvent::dedup_found);
  Request& duplicate = start_write(9, a);
  ASSERT_TRUE(is_held());
  EXPECT_TRUE(succeeded(disk.node().pause_dedup())); // waits for nobody
  disk.write(0, b);                                  // the plain path
  resume();
  EXPECT_TRUE(ends(duplicate));
  EXPECT_TRUE(disk.holds(9, a));
  EXPECT_TRUE(disk.holds(0, b));
}

TEST_F(Interleaving, ADiscardOfWhatIsBeingWrittenComesAfterIt) {
  disk.write(0, a);
  break_at(DebugEvent::write_aio);
  Request& overwrite = start_write(0, b);
  ASSERT_TRUE(is_held());
  Request& discard = start([&] { return disk.node().co_pdiscard(0, disk.cluster_bytes()); });
  EXPECT_TRUE(waits(discard));
  disk.discard(5); // another place
  resume();
  EXPECT_TRUE(ends(overwrite));
  EXPECT_TRUE(ends(discard));
  EXPECT_TRUE(disk.holds(0, disk.zeros()));
  EXPECT_FALSE(disk.host_of(0));
}

TEST_F(Interleaving, TheGuestWinsOverAScanThatHasReadWhatItOverwrites) {
  EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(0, a + a);
  break_at(DebugEvent::dedup_scan);
  EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
  ASSERT_TRUE(is_held());
  Request& guest = start_write(1, b);
  EXPECT_TRUE(waits(guest));
  disk.write(20, c); // where the scan is not
  EXPECT_TRUE(disk.holds(20, c));
  resume();
  EXPECT_TRUE(ends(guest));
  disk.wait_for_scan();
  EXPECT_TRUE(disk.holds(0, a + b));
  EXPECT_EQ(disk.counters().scan_deduplicated_clusters, 1u) << "the scan shared nothing";
}

TEST_F(Interleaving, PausingDoesNotWaitForAScanThatIsHeld) {
  EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(0, a + a);
  break_at(DebugEvent::dedup_scan);
  EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
  ASSERT_TRUE(is_held());
  Request& pause = start([&] { return disk.node().pause_dedup(); });
  EXPECT_TRUE(ends(pause));
  EXPECT_EQ(disk.counters().status, block::DedupStatus::paused);
  resume();
}

} // namespace
} // namespace qcow2_dedup
