// DedupWatch: each change of status is told once, and each scan is a job with a beginning and an
// end.
#include "monitor/dedup-watch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace monitor {
namespace {

using block::DedupInfo;
using block::DedupScanState;
using block::DedupStatus;

nlohmann::json data_of(const qapi::Event& event) {
  return nlohmann::json::parse(event.data);
}

class DedupWatchTest : public testing::Test {
protected:
  DedupWatch watch{[this](const qapi::Event& event) {
    told += (told.empty() ? "" : " ") + data_of(event).at("status").get<std::string>();
    last = event;
  }};
  std::string told;
  qapi::Event last;
  DedupInfo now;

  std::string look() {
    told.clear();
    watch.look_at("disk", now);
    return told;
  }
  void scan(DedupStatus status, DedupScanState state, std::uint64_t begun,
            std::uint64_t unscanned) {
    now.status = status;
    now.scan.state = state;
    now.scan.begun = begun;
    now.unscanned_clusters = unscanned;
  }
};

TEST_F(DedupWatchTest, AStatusIsToldOnce) {
  now.status = DedupStatus::paused;
  EXPECT_EQ(look(), "paused");
  EXPECT_EQ(last.name, "BLOCK_DEDUP_STATUS_CHANGED");
  EXPECT_EQ(data_of(last).at("node-name"), "disk");
  EXPECT_EQ(look(), "");
  now.status = DedupStatus::running;
  EXPECT_EQ(look(), "running");
}

TEST_F(DedupWatchTest, AScanIsAJobUntilItsEnd) {
  look();
  scan(DedupStatus::resuming, DedupScanState::running, 1, 5);
  EXPECT_EQ(look(), "created running resuming");
  scan(DedupStatus::resuming, DedupScanState::paused, 1, 4);
  EXPECT_EQ(look(), "paused");
  EXPECT_EQ(last.name, "JOB_STATUS_CHANGE");
  EXPECT_EQ(data_of(last).at("id"), "dedup-disk");
  scan(DedupStatus::resuming, DedupScanState::running, 1, 3);
  EXPECT_EQ(look(), "running");
  scan(DedupStatus::running, DedupScanState::idle, 1, 0);
  EXPECT_EQ(look(), "running concluded null");
  EXPECT_EQ(look(), "");
}

TEST_F(DedupWatchTest, AScanThatNobodySawRunIsToldAllTheSame) {
  look();
  scan(DedupStatus::running, DedupScanState::idle, 1, 0);
  EXPECT_EQ(look(), "created concluded null");
}

TEST_F(DedupWatchTest, AScanThatBeginsAgainIsAnotherJob) {
  look();
  scan(DedupStatus::resuming, DedupScanState::running, 1, 5);
  look();
  scan(DedupStatus::resuming, DedupScanState::running, 2, 5);
  EXPECT_EQ(look(), "aborting concluded null created running");
}

TEST_F(DedupWatchTest, AScanThatEndsEarlyAborts) {
  look();
  scan(DedupStatus::resuming, DedupScanState::running, 1, 5);
  look();
  scan(DedupStatus::paused, DedupScanState::idle, 1, 3);
  EXPECT_EQ(look(), "paused aborting concluded null");
}

TEST_F(DedupWatchTest, TheJobOfAClosedNodeEnds) {
  scan(DedupStatus::resuming, DedupScanState::running, 1, 5);
  look();
  told.clear();
  watch.look_at("disk", {});
  EXPECT_EQ(told, "aborting concluded null");
  told.clear();
  watch.look_at("disk", {});
  EXPECT_EQ(told, "");
  scan(DedupStatus::running, DedupScanState::idle, 0, 0); // opened again
  EXPECT_EQ(look(), "running");
}

} // namespace
} // namespace monitor
