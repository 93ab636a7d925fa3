// DedupWatch: each change of status is told once.
#include "monitor/dedup-watch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace monitor {
namespace {

using block::DedupStatus;

class DedupWatchTest : public testing::Test {
protected:
  DedupWatch watch{[this](const qapi::Event& event) {
    const nlohmann::json data = nlohmann::json::parse(event.data);
    EXPECT_EQ(event.name, "BLOCK_DEDUP_STATUS_CHANGED");
    told += data.at("node-name").get<std::string>() + " " + data.at("status").get<std::string>();
  }};
  std::string told;

  std::string look(std::optional<DedupStatus> now, const std::string& node = "disk") {
    told.clear();
    watch.look_at(node, now);
    return told;
  }
};

TEST_F(DedupWatchTest, AStatusIsToldOnce) {
  EXPECT_EQ(look(DedupStatus::paused), "disk paused");
  EXPECT_EQ(look(DedupStatus::paused), "");
  EXPECT_EQ(look(DedupStatus::running), "disk running");
  EXPECT_EQ(look(DedupStatus::running), "");
}

TEST_F(DedupWatchTest, EachNodeHasAStatusOfItsOwn) {
  EXPECT_EQ(look(DedupStatus::running, "a"), "a running");
  EXPECT_EQ(look(DedupStatus::running, "b"), "b running");
  EXPECT_EQ(look(DedupStatus::paused, "b"), "b paused");
  EXPECT_EQ(look(DedupStatus::running, "a"), "");
}

TEST_F(DedupWatchTest, AClosedNodeIsForgotten) {
  EXPECT_EQ(look(DedupStatus::running), "disk running");
  EXPECT_EQ(look({}), "");
  EXPECT_EQ(look({}), "");
  EXPECT_EQ(look(DedupStatus::running), "disk running"); // opened again
}

} // namespace
} // namespace monitor
