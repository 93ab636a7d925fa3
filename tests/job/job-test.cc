// Job: its life as users and the list see it, and what it tells its work.
#include "block/job.h"

#include "tests/support/nodes.h"

#include <future>
#include <thread>

namespace block {
namespace {

using std::chrono::milliseconds;
using CancelEnds = Job::CancelEnds;

const char* name_of(JobStatus status) {
  constexpr const char* names[] = {"created", "running", "paused", "aborting", "concluded", "null"};
  return names[static_cast<int>(status)];
}

class TestJob final : public Job {
public:
  TestJob(CancelEnds ends, std::string& told, std::string id)
      : Job(std::move(id), "test", ends), told_(told) {}

private:
  void ending() override { told_ += " (ending)"; }

  std::string& told_;
};

class JobTest : public testing::Test {
protected:
  std::string told;
  JobList jobs{[this](const Job& job, JobStatus status) {
    EXPECT_EQ(job.id(), "job0");
    told += std::string(told.empty() ? "" : " ") + name_of(status);
  }};

  std::shared_ptr<Job> make(CancelEnds ends = CancelEnds::at_once, const char* id = "job0") {
    return std::make_shared<TestJob>(ends, told, id);
  }
  // A job in the list that runs.
  std::shared_ptr<Job> running(CancelEnds ends = CancelEnds::at_once) {
    std::shared_ptr<Job> job = make(ends);
    EXPECT_TRUE(succeeded(jobs.add(job)));
    job->start();
    return job;
  }
};

TEST_F(JobTest, IsListedFromItsCreationToItsEnd) {
  std::shared_ptr<Job> job = make();
  EXPECT_EQ(jobs.find("job0"), nullptr);
  ASSERT_TRUE(succeeded(jobs.add(job)));
  EXPECT_EQ(told, "created");
  EXPECT_EQ(job->status(), JobStatus::created);
  EXPECT_EQ(jobs.find("job0"), job);
  EXPECT_EQ(jobs.find("job1"), nullptr);
  job->start();
  EXPECT_EQ(job->status(), JobStatus::running);
  EXPECT_EQ(jobs.all().size(), 1u);
  job->end({});
  EXPECT_EQ(told, "created running (ending) concluded null");
  EXPECT_EQ(job->status(), JobStatus::null);
  EXPECT_FALSE(job->error());
  EXPECT_TRUE(jobs.all().empty());
}

TEST_F(JobTest, AFailureAbortsItAndIsKept) {
  std::shared_ptr<Job> job = running();
  job->end(Error(ErrorKind::no_space, "the disk is full"));
  EXPECT_EQ(told, "created running (ending) aborting concluded null");
  ASSERT_TRUE(job->error());
  EXPECT_EQ(job->error()->message(), "the disk is full");
  EXPECT_EQ(job->error()->kind(), ErrorKind::no_space);
}

TEST_F(JobTest, OnlyItsFirstEndCounts) {
  std::shared_ptr<Job> job = running();
  job->end({});
  job->end(Error(ErrorKind::io, "too late"));
  job->cancel();
  EXPECT_EQ(told, "created running (ending) concluded null");
  EXPECT_FALSE(job->error());
}

TEST_F(JobTest, PausesOnceAndResumesOnce) {
  std::shared_ptr<Job> job = running();
  EXPECT_EQ(message_of(job->resume()), "Job 'job0' is not paused");
  EXPECT_TRUE(succeeded(job->pause()));
  EXPECT_EQ(job->status(), JobStatus::paused);
  EXPECT_EQ(message_of(job->pause()), "Job 'job0' is already paused");
  EXPECT_TRUE(succeeded(job->resume()));
  EXPECT_EQ(job->status(), JobStatus::running);
  EXPECT_EQ(kind_of(job->resume()), ErrorKind::invalid_argument);
  EXPECT_EQ(told, "created running paused running");
  job->end({});
  EXPECT_EQ(message_of(job->pause()), "Job 'job0' is not running");
  EXPECT_EQ(message_of(job->resume()), "Job 'job0' is not paused");
}

TEST_F(JobTest, ThatEndsAtOnceIsOverWhenItIsCancelled) {
  std::shared_ptr<Job> job = running(CancelEnds::at_once);
  job->cancel();
  EXPECT_EQ(told, "created running (ending) aborting concluded null");
  EXPECT_EQ(job->status(), JobStatus::null);
  EXPECT_TRUE(jobs.all().empty());
  EXPECT_FALSE(job->may_go_on());
  job->end({}); // its work comes to its end
  EXPECT_EQ(told, "created running (ending) aborting concluded null");
}

TEST_F(JobTest, ThatEndsWithItsWorkIsListedUntilThen) {
  std::shared_ptr<Job> job = running(CancelEnds::with_work);
  job->cancel();
  job->cancel();
  EXPECT_EQ(told, "created running (ending) aborting");
  EXPECT_EQ(job->status(), JobStatus::aborting);
  EXPECT_EQ(jobs.find("job0"), job);
  EXPECT_FALSE(job->may_go_on());
  EXPECT_FALSE(job->pause());
  job->end(Error(ErrorKind::io, "of the work that was cut off"));
  EXPECT_EQ(told, "created running (ending) aborting concluded null");
  EXPECT_FALSE(job->error());
  EXPECT_TRUE(jobs.all().empty());
}

TEST_F(JobTest, CancelledBeforeItsStartNeverRuns) {
  std::shared_ptr<Job> job = make();
  ASSERT_TRUE(succeeded(jobs.add(job)));
  job->cancel();
  job->start();
  EXPECT_EQ(told, "created (ending) aborting concluded null");
  EXPECT_FALSE(job->may_go_on());
}

TEST_F(JobTest, ItsWorkWaitsWhileItIsPaused) {
  std::shared_ptr<Job> job = running();
  EXPECT_TRUE(job->may_go_on());
  ASSERT_TRUE(succeeded(job->pause()));
  std::future<bool> work = std::async(std::launch::async, [&] { return job->may_go_on(); });
  EXPECT_EQ(work.wait_for(milliseconds(50)), std::future_status::timeout);
  ASSERT_TRUE(succeeded(job->resume()));
  EXPECT_TRUE(work.get());
  job->cancel();
}

TEST_F(JobTest, ACancelEndsAPause) {
  std::shared_ptr<Job> job = running();
  ASSERT_TRUE(succeeded(job->pause()));
  std::future<bool> work = std::async(std::launch::async, [&] { return job->may_go_on(); });
  EXPECT_EQ(work.wait_for(milliseconds(20)), std::future_status::timeout);
  job->cancel();
  EXPECT_FALSE(work.get());
}

TEST_F(JobTest, RestsUntilTheTimeOrAChange) {
  std::shared_ptr<Job> job = running();
  const auto began = Job::Clock::now();
  job->rest_until(began + milliseconds(30));
  EXPECT_GE(Job::Clock::now(), began + milliseconds(30));

  std::thread user([&] {
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_TRUE(succeeded(job->pause()));
  });
  job->rest_until(began + std::chrono::hours(1));
  user.join();
  EXPECT_EQ(job->status(), JobStatus::paused);
  job->rest_until(began + std::chrono::hours(1)); // a paused job has may_go_on() for that
  job->cancel();
}

TEST_F(JobTest, ItsSpeedSaysHowLongBytesTake) {
  std::shared_ptr<Job> job = make();
  EXPECT_EQ(job->time_for(1 << 20), milliseconds(0));
  job->set_speed(1 << 20);
  EXPECT_EQ(job->speed(), 1u << 20);
  EXPECT_EQ(job->time_for(1 << 19), milliseconds(500));
  job->set_speed(0);
  EXPECT_EQ(job->time_for(1 << 20), milliseconds(0));
}

TEST_F(JobTest, ItsProgressReachesTheSink) {
  std::shared_ptr<Job> job = make();
  JobProgress last;
  job->set_progress_sink([&](JobProgress progress) { last = progress; });
  job->set_progress({7, 100});
  EXPECT_EQ(last.current, 7u);
  EXPECT_EQ(last.total, 100u);
  EXPECT_EQ(job->progress().current, 7u);
  EXPECT_EQ(job->progress().total, 100u);
}

TEST_F(JobTest, AnIdIsFreeWhenItsJobIsOver) {
  std::shared_ptr<Job> first = running();
  std::shared_ptr<Job> second = make();
  const Result<void> added = jobs.add(second);
  EXPECT_EQ(kind_of(added), ErrorKind::exists);
  EXPECT_EQ(message_of(added), "Job ID 'job0' is already in use");
  EXPECT_EQ(told, "created running");
  first->end({});
  EXPECT_TRUE(succeeded(jobs.add(second)));
  EXPECT_EQ(jobs.find("job0"), second);
  second->cancel();
}

TEST_F(JobTest, MayGoAwayWithTheReferenceOfItsList) {
  std::weak_ptr<Job> job = running();
  Job& held_by_the_list = *job.lock();
  held_by_the_list.cancel();
  EXPECT_TRUE(job.expired());

  job = running();
  Job& ending_by_itself = *job.lock();
  ending_by_itself.end({});
  EXPECT_TRUE(job.expired());
}

TEST(JobListTest, KeepsTheOrderOfAdding) {
  std::string told;
  JobList jobs;
  for (const char* id : {"b", "a", "c"})
    ASSERT_TRUE(succeeded(jobs.add(std::make_shared<TestJob>(CancelEnds::at_once, told, id))));
  std::string ids;
  for (const auto& job : jobs.all()) {
    ids += job->id();
    job->cancel();
  }
  EXPECT_EQ(ids, "bac");
  EXPECT_TRUE(jobs.all().empty());
}

TEST_F(JobTest, NeedsNoList) {
  std::shared_ptr<Job> job = make();
  job->start();
  EXPECT_TRUE(job->may_go_on());
  job->end({});
  EXPECT_EQ(told, " (ending)");
}

} // namespace
} // namespace block
