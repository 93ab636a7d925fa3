// Break points of blkdebug: which request is held, and what lets it go on.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <future>
#include <list>

namespace block {
namespace {

using namespace std::chrono_literals;

class BreakPoints : public testing::Test {
protected:
  // A test that has failed may have left requests where they are held.
  void TearDown() override { EXPECT_TRUE(succeeded(node->debug_remove_breakpoint(""))); }

  std::shared_ptr<MemoryFile> memory = MemoryFile::create("disk", std::vector<std::byte>(4096));
  Graph graph;
  std::shared_ptr<Node> node = open(graph, {{"driver", "raw"},
                                            {"file.driver", "blkdebug"},
                                            {"file.image.driver", "memory"},
                                            {"file.image.filename", "disk"}});
  std::list<std::future<void>> requests; // whose end is waited for before the node's

  void set(DebugEvent event, const std::string& tag) {
    EXPECT_TRUE(succeeded(node->debug_breakpoint(event, tag)));
  }
  // A write of one byte, on a thread of its own.
  std::future<void>& write(std::uint64_t offset, const std::string& byte) {
    return start(
        [this, offset, byte] { EXPECT_TRUE(succeeded(block::write(*node, offset, byte))); });
  }
  template <typename Function>
  std::future<void>& start(Function function) {
    return requests.emplace_back(std::async(std::launch::async, std::move(function)));
  }
  bool held(const std::string& tag, std::chrono::milliseconds at_most = 5s) {
    Result<bool> waited = node->debug_wait(tag, at_most);
    EXPECT_TRUE(succeeded(waited));
    return waited && *waited;
  }
  static bool ends(std::future<void>& request, std::chrono::milliseconds at_most = 5s) {
    return request.wait_for(at_most) == std::future_status::ready;
  }
  std::string byte_at(std::uint64_t offset) {
    return std::string(1, static_cast<char>(memory->read(offset, 1)[0]));
  }
};

TEST_F(BreakPoints, HoldTheNextRequestUntilItIsResumed) {
  set(DebugEvent::write_aio, "A");
  EXPECT_FALSE(held("A", 0ms));
  auto& first = write(0, "a");
  ASSERT_TRUE(held("A"));
  auto& second = write(1, "b");
  EXPECT_TRUE(ends(second)) << "a break point is for one request";
  EXPECT_FALSE(ends(first, 20ms));
  EXPECT_EQ(byte_at(0), zeros(1)) << "it was held before it wrote";
  ASSERT_TRUE(succeeded(node->debug_resume("A")));
  EXPECT_TRUE(ends(first));
  EXPECT_EQ(byte_at(0), "a");
  EXPECT_EQ(byte_at(1), "b");
  EXPECT_FALSE(held("A", 0ms));
}

TEST_F(BreakPoints, EachHoldsARequestOfItsOwnEvent) {
  set(DebugEvent::write_aio, "A");
  set(DebugEvent::read_aio, "R");
  set(DebugEvent::write_aio, "B");
  auto& first = write(0, "a");
  ASSERT_TRUE(held("A"));
  auto& second = write(1, "b");
  ASSERT_TRUE(held("B"));
  auto& reader = start([&] { EXPECT_EQ(read(*node, 0, 2), zeros(1) + "b"); });
  ASSERT_TRUE(held("R"));
  ASSERT_TRUE(succeeded(node->debug_resume("B")));
  EXPECT_TRUE(ends(second));
  EXPECT_FALSE(ends(first, 20ms));
  ASSERT_TRUE(succeeded(node->debug_resume("R")));
  EXPECT_TRUE(ends(reader));
  ASSERT_TRUE(succeeded(node->debug_resume("A")));
  EXPECT_TRUE(ends(first));
}

TEST_F(BreakPoints, OfOneTagLetOneRequestGoAtATime) {
  set(DebugEvent::write_aio, "A");
  set(DebugEvent::write_aio, "A");
  auto& first = write(0, "a");
  ASSERT_TRUE(held("A"));
  auto& second = write(1, "b");
  EXPECT_FALSE(ends(second, 20ms));
  ASSERT_TRUE(succeeded(node->debug_resume("A")));
  EXPECT_TRUE(ends(first));
  EXPECT_FALSE(ends(second, 20ms));
  ASSERT_TRUE(succeeded(node->debug_resume("A")));
  EXPECT_TRUE(ends(second));
}

TEST_F(BreakPoints, ThatAreRemovedHoldNothingAndLetGo) {
  set(DebugEvent::write_aio, "A");
  set(DebugEvent::write_aio, "A");
  auto& first = write(0, "a");
  ASSERT_TRUE(held("A"));
  ASSERT_TRUE(succeeded(node->debug_remove_breakpoint("A")));
  EXPECT_TRUE(ends(first));
  auto& second = write(1, "b");
  EXPECT_TRUE(ends(second));
}

TEST_F(BreakPoints, CanAllBeRemovedAtOnce) {
  set(DebugEvent::write_aio, "A");
  set(DebugEvent::write_aio, "B");
  set(DebugEvent::write_aio, "C");
  auto& first = write(0, "a");
  auto& second = write(1, "b");
  ASSERT_TRUE(held("A"));
  ASSERT_TRUE(held("B"));
  ASSERT_TRUE(succeeded(node->debug_remove_breakpoint("")));
  auto& third = write(2, "c");
  for (auto* request : {&first, &second, &third})
    EXPECT_TRUE(ends(*request));
  EXPECT_TRUE(succeeded(node->debug_remove_breakpoint("")));
}

TEST_F(BreakPoints, AreRefusedWhereTheyCannotBe) {
  EXPECT_EQ(message_of(node->debug_breakpoint(DebugEvent::l2_load, "A")),
            "No request can be held at event 'l2_load'");
  EXPECT_EQ(message_of(node->debug_resume("A")), "No request is held at break point 'A'");
  EXPECT_EQ(message_of(node->debug_remove_breakpoint("A")), "There is no break point 'A'");
  auto plain = open(graph, {{"driver", "memory"}, {"filename", "disk"}, {"node-name", "plain"}});
  EXPECT_EQ(message_of(plain->debug_breakpoint(DebugEvent::write_aio, "A")),
            "No blkdebug node is below node 'plain'");
  EXPECT_EQ(kind_of(plain->debug_wait("A", 0ms)), ErrorKind::unsupported);
  plain->debug_event(DebugEvent::write_aio); // nobody listens
}

TEST(DebugEvents, AreFoundByTheNameThatTheyHave) {
  for (std::size_t i = 0; i < std::size(debug_events); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(debug_events[i].event), i) << debug_events[i].name;
    EXPECT_EQ(find_debug_event(debug_events[i].name), &debug_events[i]);
  }
  EXPECT_EQ(find_debug_event("none"), nullptr);
}

} // namespace
} // namespace block
