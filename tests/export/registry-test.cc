// Exports: names, connections, and removal while requests are in flight.
#include "block/export/registry.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace exports {
namespace {

class ExportRegistryTest : public testing::Test {
protected:
  ExportRegistryTest() {
    open_node("disk", "off");
    open_node("frozen", "on");
  }

  void open_node(const std::string& name, const std::string& read_only) {
    auto opened = graph_.open(
        {{"driver", "null-co"}, {"node-name", name}, {"size", "1M"}, {"read-only", read_only}}, {});
    ASSERT_TRUE(opened.ok()) << opened.error().message();
  }

  block::Result<void> add(const std::string& id, const std::string& name,
                          const std::string& node = "disk", bool writable = true) {
    ExportOptions options;
    options.id = id;
    options.name = name;
    options.node_name = node;
    options.writable = writable;
    return registry_.add(options);
  }

  bool node_is_free(const std::string& name) { return graph_.find(name)->users().empty(); }

  block::Graph graph_;
  std::vector<std::string> deleted_;
  ExportRegistry registry_{graph_, [this](const std::string& id) { deleted_.push_back(id); }};
};

TEST_F(ExportRegistryTest, AClientGetsTheExportItNames) {
  ASSERT_TRUE(add("one", "first").ok());
  ASSERT_TRUE(add("two", "second", "frozen", false).ok());
  auto connection = registry_.connect("second");
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ((*connection)->used().options().id, "two");
  auto request = (*connection)->used().begin();
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->node().name(), "frozen");
  EXPECT_EQ(registry_.connect("third").error().kind(), block::ErrorKind::not_found);
}

TEST_F(ExportRegistryTest, TheExportWithoutANameIsTheDefaultElseTheFirstById) {
  EXPECT_EQ(registry_.default_name(), std::nullopt);
  ASSERT_TRUE(add("b", "second").ok());
  ASSERT_TRUE(add("a", "first").ok());
  EXPECT_EQ(registry_.default_name(), "first");
  ASSERT_TRUE(add("c", "").ok());
  EXPECT_EQ(registry_.default_name(), "");
}

TEST_F(ExportRegistryTest, IdsAndNamesAreUnique) {
  ASSERT_TRUE(add("one", "first").ok());
  EXPECT_EQ(add("one", "second").error().kind(), block::ErrorKind::exists);
  EXPECT_EQ(add("two", "first").error().kind(), block::ErrorKind::exists);
  EXPECT_EQ(registry_.list().size(), 1u);
}

TEST_F(ExportRegistryTest, AReadOnlyNodeIsNotExportedForWriting) {
  EXPECT_EQ(add("one", "first", "frozen").error().kind(), block::ErrorKind::permission);
  EXPECT_TRUE(add("one", "first", "frozen", false).ok());
}

TEST_F(ExportRegistryTest, AMissingNodeAndOverlongNamesAreRefused) {
  EXPECT_EQ(add("one", "first", "absent").error().kind(), block::ErrorKind::not_found);
  EXPECT_FALSE(add("one", std::string(4097, 'n')).ok());
  EXPECT_FALSE(add("", "first").ok());
}

TEST_F(ExportRegistryTest, ANodeIsInUseAsLongAsItsExport) {
  ASSERT_TRUE(add("one", "first").ok());
  EXPECT_EQ(graph_.close("disk").error().kind(), block::ErrorKind::busy);
  ASSERT_TRUE(registry_.remove("one", RemoveMode::safe).ok());
  EXPECT_EQ(deleted_, std::vector<std::string>{"one"});
  EXPECT_TRUE(graph_.close("disk").ok());
}

TEST_F(ExportRegistryTest, SafeRemovalWaitsForTheLastConnectionToGo) {
  ASSERT_TRUE(add("one", "first").ok());
  auto connection = registry_.connect("first");
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ(registry_.remove("one", RemoveMode::safe).error().kind(), block::ErrorKind::busy);
  EXPECT_TRUE((*connection)->used().begin().ok()) << "a refused removal changes nothing";
  connection->reset();
  EXPECT_TRUE(registry_.remove("one", RemoveMode::safe).ok());
}

TEST_F(ExportRegistryTest, HardRemovalReturnsAtOnceAndEndsWithTheLastRequest) {
  ASSERT_TRUE(add("one", "first").ok());
  auto connection = registry_.connect("first");
  ASSERT_TRUE(connection.ok());
  auto request = std::make_unique<Export::Request>(*(*connection)->used().begin());

  ASSERT_TRUE(registry_.remove("one", RemoveMode::hard).ok());
  EXPECT_TRUE(registry_.list().at(0).shutting_down);
  EXPECT_EQ(deleted_, std::vector<std::string>{});
  EXPECT_FALSE(node_is_free("disk"));
  EXPECT_EQ((*connection)->used().begin().error().errno_value(), ESHUTDOWN);
  EXPECT_FALSE(registry_.connect("first").ok());
  EXPECT_EQ(registry_.remove("one", RemoveMode::hard).error().kind(), block::ErrorKind::busy);

  request.reset();
  EXPECT_EQ(deleted_, std::vector<std::string>{"one"});
  EXPECT_TRUE(node_is_free("disk"));
  EXPECT_TRUE(registry_.list().empty());
}

TEST_F(ExportRegistryTest, AConnectionOfARemovedExportDoesNotCountForItsSuccessor) {
  ASSERT_TRUE(add("one", "first").ok());
  auto old_connection = registry_.connect("first");
  ASSERT_TRUE(registry_.remove("one", RemoveMode::hard).ok());
  ASSERT_TRUE(add("one", "first").ok());
  auto connection = registry_.connect("first");
  EXPECT_EQ(registry_.list().at(0).connections, 1u);
  old_connection->reset();
  EXPECT_EQ(registry_.list().at(0).connections, 1u);
}

TEST_F(ExportRegistryTest, RemovalOfABusyExportEndsItExactlyOnce) {
  for (int round = 0; round < 50; ++round) {
    deleted_.clear();
    ASSERT_TRUE(add("one", "first").ok());
    auto connection = registry_.connect("first");
    ASSERT_TRUE(connection.ok());
    std::atomic<unsigned> served = 0;
    std::vector<std::thread> guests;
    for (int guest = 0; guest < 3; ++guest)
      guests.emplace_back([&] {
        for (;;) {
          auto request = (*connection)->used().begin();
          if (!request) return;
          EXPECT_TRUE(request->node().co_flush().ok()) << "the node was released too early";
          ++served;
        }
      });
    while (served < 10)
      std::this_thread::yield();
    ASSERT_TRUE(registry_.remove("one", RemoveMode::hard).ok());
    for (std::thread& guest : guests)
      guest.join();
    EXPECT_EQ(deleted_.size(), 1u);
    EXPECT_TRUE(node_is_free("disk"));
  }
}

TEST_F(ExportRegistryTest, RemoveAllWaitsForRequestsInFlight) {
  ASSERT_TRUE(add("one", "first").ok());
  auto connection = registry_.connect("first");
  auto request = std::make_unique<Export::Request>(*(*connection)->used().begin());
  std::atomic<bool> finished = false;
  std::thread guest([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    finished = true;
    request.reset();
  });
  registry_.remove_all();
  EXPECT_TRUE(finished);
  EXPECT_EQ(deleted_, std::vector<std::string>{"one"});
  guest.join();
}

} // namespace
} // namespace exports
