// Exports of NBD: the names that clients request, and their connections.
#include "block/export/nbd/nbd-exports.h"

#include <gtest/gtest.h>

namespace exports {
namespace {

class NbdExportsTest : public testing::Test {
protected:
  NbdExportsTest() {
    auto opened = graph_.open({{"driver", "null-co"}, {"node-name", "disk"}, {"size", "1M"}}, {});
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    nbd().set_served();
  }

  NbdExports& nbd() { return NbdExports::of(registry_); }

  block::Result<void> add(const std::string& id, const std::string& name,
                          const std::string& description = "") {
    return registry_.add({{"type", "nbd"},
                          {"id", id},
                          {"node-name", "disk"},
                          {"name", name},
                          {"description", description}});
  }

  block::Graph graph_;
  ExportRegistry registry_{graph_, {make_nbd_exports}, [](const std::string&) {}};
};

TEST_F(NbdExportsTest, NeedAServer) {
  ExportRegistry registry(graph_, {make_nbd_exports}, [](const std::string&) {});
  EXPECT_EQ(registry.add({{"type", "nbd"}, {"id", "one"}, {"node-name", "disk"}}).error().message(),
            "NBD server not running");
}

TEST_F(NbdExportsTest, AClientGetsTheExportItNames) {
  ASSERT_TRUE(add("one", "first").ok());
  ASSERT_TRUE(add("two", "second", "of the test").ok());
  auto connection = nbd().connect("second");
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ((*connection)->used().options().id, "two");
  EXPECT_EQ((*connection)->used().description(), "of the test");
  EXPECT_EQ(nbd().connect("third").error().kind(), block::ErrorKind::not_found);
}

TEST_F(NbdExportsTest, TheNameOfTheNodeIsTheDefaultName) {
  ASSERT_TRUE(registry_.add({{"type", "nbd"}, {"id", "one"}, {"node-name", "disk"}}).ok());
  EXPECT_EQ(nbd().list().at(0)->name(), "disk");
  EXPECT_EQ(nbd().list().at(0)->description(), "");
}

TEST_F(NbdExportsTest, TheExportWithoutANameIsTheDefaultElseTheFirstById) {
  EXPECT_EQ(nbd().default_name(), std::nullopt);
  ASSERT_TRUE(add("b", "second").ok());
  ASSERT_TRUE(add("a", "first").ok());
  EXPECT_EQ(nbd().default_name(), "first");
  ASSERT_TRUE(add("c", "").ok());
  EXPECT_EQ(nbd().default_name(), "");
}

TEST_F(NbdExportsTest, NamesAreUniqueAndNotTooLong) {
  ASSERT_TRUE(add("one", "first").ok());
  EXPECT_EQ(add("two", "first").error().message(), "NBD server already has export named 'first'");
  EXPECT_EQ(add("two", std::string(4097, 'n')).error().message(),
            "export name is longer than 4096 bytes");
  EXPECT_EQ(add("two", "second", std::string(4097, 'd')).error().message(),
            "description is longer than 4096 bytes");
  EXPECT_TRUE(add("two", std::string(4096, 'n'), std::string(4096, 'd')).ok());
  EXPECT_EQ(nbd().list().size(), 2u);
}

TEST_F(NbdExportsTest, AConnectionCountsUntilItEnds) {
  ASSERT_TRUE(add("one", "first").ok());
  EXPECT_FALSE(nbd().in_use());
  auto connection = nbd().connect("first");
  ASSERT_TRUE(connection.ok());
  EXPECT_TRUE(nbd().in_use());
  EXPECT_EQ(registry_.remove("one", RemoveMode::safe).error().message(),
            "export 'one' still in use");
  connection->reset();
  EXPECT_FALSE(nbd().in_use());
  EXPECT_TRUE(registry_.remove("one", RemoveMode::safe).ok());
}

TEST_F(NbdExportsTest, AnExportThatShutsDownAcceptsNoClientAndKeepsItsName) {
  ASSERT_TRUE(add("one", "first").ok());
  auto connection = nbd().connect("first");
  auto request = std::make_unique<Export::Request>(*(*connection)->used().begin());
  ASSERT_TRUE(registry_.remove("one", RemoveMode::hard).ok());
  EXPECT_FALSE(nbd().connect("first").ok());
  EXPECT_EQ(add("two", "first").error().kind(), block::ErrorKind::exists);
  request.reset();
  EXPECT_TRUE(add("two", "first").ok());
}

TEST_F(NbdExportsTest, AConnectionOfARemovedExportDoesNotCountForItsSuccessor) {
  ASSERT_TRUE(add("one", "first").ok());
  auto old_connection = nbd().connect("first");
  ASSERT_TRUE(registry_.remove("one", RemoveMode::hard).ok());
  ASSERT_TRUE(add("one", "first").ok());
  auto connection = nbd().connect("first");
  EXPECT_EQ(nbd().list().at(0)->clients(), 1u);
  old_connection->reset();
  EXPECT_EQ(nbd().list().at(0)->clients(), 1u);
}

} // namespace
} // namespace exports
