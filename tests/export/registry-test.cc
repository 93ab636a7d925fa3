// Exports of any type: ids, options, clients, and removal while requests are in flight.
#include "block/export/registry.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace exports {
namespace {

class TestExport final : public Export {
public:
  using Export::Export;
  unsigned ends = 0; // calls of end_clients()

private:
  void end_clients() override { ++ends; }
};

// A type with one option of its own: fail=on.
class TestType final : public ExportType {
public:
  std::string_view name() const override { return "test"; }
  block::Result<std::shared_ptr<Export>> create(Export::Setup setup, block::Options& own) override {
    BLOCK_TRY_ASSIGN(const bool fail, own.take_bool("fail", false));
    if (fail) return block::Error(block::ErrorKind::io, "it fails");
    return std::shared_ptr<Export>(std::make_shared<TestExport>(std::move(setup)));
  }
};

std::unique_ptr<ExportType> make_test_type(const ExportRegistry&) {
  return std::make_unique<TestType>();
}

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

  // `more` as in "writable=on,fail=on".
  block::Result<void> add(const std::string& id, const std::string& node = "disk",
                          const std::string& more = "writable=on") {
    return registry_.add(
        *block::Options::parse("type=test,id=" + id + ",node-name=" + node + "," + more));
  }

  std::shared_ptr<TestExport> added(const std::string& id) {
    EXPECT_TRUE(add(id).ok());
    return std::static_pointer_cast<TestExport>(registry_.list().at(0));
  }

  bool node_is_free(const std::string& name) { return graph_.find(name)->users().empty(); }

  block::Graph graph_;
  std::vector<std::string> deleted_;
  ExportRegistry registry_{
      graph_, {make_test_type}, [this](const std::string& id) { deleted_.push_back(id); }};
};

TEST_F(ExportRegistryTest, AnExportHasItsOptionsAndItsNode) {
  ASSERT_TRUE(add("two", "frozen", "writethrough=on").ok());
  ASSERT_TRUE(add("one").ok());
  const auto all = registry_.list();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->options().id, "one");
  EXPECT_TRUE(all[0]->options().writable);
  EXPECT_FALSE(all[0]->options().writethrough);
  EXPECT_EQ(all[1]->options().node_name, "frozen");
  EXPECT_FALSE(all[1]->options().writable);
  EXPECT_TRUE(all[1]->options().writethrough);
  EXPECT_EQ(all[1]->type().name(), "test");
  auto request = all[1]->begin();
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->node().name(), "frozen");
}

TEST_F(ExportRegistryTest, IdsAreUnique) {
  ASSERT_TRUE(add("one").ok());
  EXPECT_EQ(add("one", "frozen", "writable=off").error().kind(), block::ErrorKind::exists);
  EXPECT_EQ(registry_.list().size(), 1u);
}

TEST_F(ExportRegistryTest, AReadOnlyNodeIsNotExportedForWriting) {
  EXPECT_EQ(add("one", "frozen").error().kind(), block::ErrorKind::permission);
  EXPECT_TRUE(add("one", "frozen", "writable=off").ok());
}

TEST_F(ExportRegistryTest, OptionsThatCannotBeAreRefused) {
  EXPECT_EQ(add("one", "absent").error().message(), "Cannot find node 'absent'");
  EXPECT_EQ(add("").error().message(), "Parameter 'id' is missing");
  EXPECT_EQ(
      registry_.add({{"type", "other"}, {"id", "one"}, {"node-name", "disk"}}).error().message(),
      "Parameter 'type' does not accept value 'other'");
  EXPECT_NE(add("one", "disk", "nonsense=1").error().message().find("nonsense"), std::string::npos);
  EXPECT_TRUE(registry_.list().empty());
  EXPECT_TRUE(node_is_free("disk"));
}

TEST_F(ExportRegistryTest, AnExportThatItsTypeCannotMakeLeavesTheNodeFree) {
  EXPECT_EQ(add("one", "disk", "fail=on").error().message(), "it fails");
  EXPECT_TRUE(registry_.list().empty());
  EXPECT_TRUE(node_is_free("disk"));
  EXPECT_EQ(deleted_, std::vector<std::string>{});
}

TEST_F(ExportRegistryTest, ANodeIsInUseAsLongAsItsExport) {
  ASSERT_TRUE(add("one").ok());
  EXPECT_EQ(graph_.close("disk").error().kind(), block::ErrorKind::busy);
  ASSERT_TRUE(registry_.remove("one", RemoveMode::safe).ok());
  EXPECT_EQ(deleted_, std::vector<std::string>{"one"});
  EXPECT_TRUE(graph_.close("disk").ok());
}

TEST_F(ExportRegistryTest, AnExportThatIsNotThereCannotBeRemoved) {
  EXPECT_EQ(registry_.remove("one", RemoveMode::hard).error().kind(), block::ErrorKind::not_found);
}

TEST_F(ExportRegistryTest, SafeRemovalWaitsForTheLastClientToGo) {
  auto used = added("one");
  ASSERT_TRUE(used->add_client());
  EXPECT_EQ(registry_.remove("one", RemoveMode::safe).error().kind(), block::ErrorKind::busy);
  EXPECT_TRUE(used->begin().ok()) << "a refused removal changes nothing";
  EXPECT_EQ(used->ends, 0u);
  used->remove_client();
  EXPECT_TRUE(registry_.remove("one", RemoveMode::safe).ok());
}

TEST_F(ExportRegistryTest, HardRemovalReturnsAtOnceAndEndsWithTheLastRequest) {
  auto used = added("one");
  ASSERT_TRUE(used->add_client());
  auto request = std::make_unique<Export::Request>(*used->begin());

  ASSERT_TRUE(registry_.remove("one", RemoveMode::hard).ok());
  EXPECT_EQ(used->ends, 1u) << "the type ends its clients";
  EXPECT_TRUE(registry_.list().at(0)->shutting_down());
  EXPECT_EQ(deleted_, std::vector<std::string>{});
  EXPECT_FALSE(node_is_free("disk"));
  EXPECT_EQ(used->begin().error().errno_value(), ESHUTDOWN);
  EXPECT_FALSE(used->add_client());
  EXPECT_EQ(registry_.remove("one", RemoveMode::hard).error().kind(), block::ErrorKind::busy);

  request.reset();
  EXPECT_EQ(deleted_, std::vector<std::string>{"one"});
  EXPECT_TRUE(node_is_free("disk"));
  EXPECT_TRUE(registry_.list().empty());
  EXPECT_EQ(used->ends, 1u);
}

TEST_F(ExportRegistryTest, RemovalOfABusyExportEndsItExactlyOnce) {
  for (int round = 0; round < 50; ++round) {
    deleted_.clear();
    auto used = added("one");
    std::atomic<unsigned> served = 0;
    std::vector<std::thread> guests;
    for (int guest = 0; guest < 3; ++guest)
      guests.emplace_back([&] {
        for (;;) {
          auto request = used->begin();
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
  auto request = std::make_unique<Export::Request>(*added("one")->begin());
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

TEST(AllExportTypes, HaveNamesOfTheirOwn) {
  block::Graph graph;
  ExportRegistry registry(graph, all_export_types(), [](const std::string&) {});
  std::vector<std::string_view> names;
  for (MakeExportType make : all_export_types()) {
    const auto type = make(registry);
    EXPECT_EQ(std::ranges::count(names, type->name()), 0) << type->name();
    names.push_back(type->name());
    EXPECT_NE(registry.find_type(type->name()), nullptr);
  }
  EXPECT_EQ(std::ranges::count(names, "nbd"), 1);
}

} // namespace
} // namespace exports
