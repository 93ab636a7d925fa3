// A real process is killed while it writes to an image file: what it was told is flushed, is there.
//
//   CRASH_ROUNDS  how often (default 20)
//   CRASH_SEED    what is left to chance (default 1); where the kill strikes is never the same
#include "tests/crash/environment.h"
#include "tests/crash/guest-disk.h"
#include "tests/crash/judge.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <csignal>
#include <cstdlib>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

namespace crash {
namespace {

using block::succeeded;

constexpr std::size_t clusters = 256;

// What the writing process says before and after it does something.
struct Report {
  enum class Kind : std::uint32_t { opened, writes, flushed };
  explicit Report(Kind of) : kind(of) {}
  Kind kind;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  Tag tags[64] = {};
};
static_assert(sizeof(Report) < 4096); // so that a pipe takes it whole or not at all

struct Image {
  std::string name;
  Options create;
  std::size_t cluster_bytes;
  bool rebuilds;
  std::size_t per_cluster() const { return cluster_bytes / sector_bytes; }
};

// Runs in the child until it is killed. Exit codes tell what failed.
[[noreturn]] void write_until_killed(const Image& image, const Options& options,
                                     std::vector<Tag> content, std::uint64_t seed, int pipe) {
  auto say = [&](const Report& report) {
    if (::write(pipe, &report, sizeof report) != sizeof report) _exit(10);
  };
  std::mt19937_64 random(seed);
  GuestDisk disk;
  if (!disk.open(options)) _exit(11);
  say(Report(Report::Kind::opened));
  for (std::uint64_t version = seed << 20;; ++version) {
    if (random() % 10 == 0) {
      if (!disk.flush()) _exit(12);
      say(Report(Report::Kind::flushed));
      continue;
    }
    Report report(Report::Kind::writes);
    std::size_t most = std::size(report.tags) / image.per_cluster();
    std::size_t first = random() % (clusters - most);
    std::size_t count = 1 + random() % most;
    report.first = static_cast<std::uint32_t>(first * image.per_cluster());
    report.count = static_cast<std::uint32_t>(count * image.per_cluster());
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t chance = random() % 100, other = random() % clusters, number = random() % 20;
      for (std::size_t s = 0; s < image.per_cluster(); ++s) {
        std::size_t sector = (first + i) * image.per_cluster() + s;
        Tag tag = chance < 45   ? unique_tag(sector, version)
                  : chance < 55 ? Tag{0}
                  : chance < 75 ? common_tag(number, s)
                                : content[other * image.per_cluster() + s];
        report.tags[sector - report.first] = tag;
      }
    }
    std::span<const Tag> tags(report.tags, report.count);
    std::copy(tags.begin(), tags.end(),
              content.begin() + static_cast<std::ptrdiff_t>(report.first));
    say(report); // before the write: the kill may strike within it
    if (!disk.write(report.first, tags)) _exit(13);
  }
}

class Killed : public testing::TestWithParam<Image> {
protected:
  // Starts a writer, kills it after that time, and tells the model what it said.
  void write_and_kill(std::chrono::microseconds after, std::uint64_t seed);
  void expect_clean();

  Options options() const {
    return {{"driver", "qcow2"}, {"file.driver", "file"}, {"file.filename", path_}};
  }

  Bytes content_of_file() const {
    const std::string text = directory_.content("image");
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    return {bytes, bytes + text.size()};
  }

  block::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("image");
  GuestModel model_{clusters * GetParam().per_cluster()};
  std::uint64_t writes_ = 0, flushes_ = 0;
};

void Killed::write_and_kill(std::chrono::microseconds after, std::uint64_t seed) {
  std::vector<Tag> content;
  for (std::size_t i = 0; i < model_.sectors(); ++i)
    content.push_back(model_.current(i));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::close(ends[0]);
    write_until_killed(GetParam(), options(), std::move(content), seed, ends[1]);
  }
  ::close(ends[1]);
  Report report(Report::Kind::opened);
  std::chrono::steady_clock::time_point strike{};
  bool killed = false;
  while (::read(ends[0], &report, sizeof report) == sizeof report) {
    auto now = std::chrono::steady_clock::now();
    if (report.kind == Report::Kind::opened) strike = now + after;
    if (report.kind == Report::Kind::writes) {
      ++writes_;
      model_.will_write(report.first, std::span<const Tag>(report.tags, report.count));
    }
    if (report.kind == Report::Kind::flushed) {
      ++flushes_;
      model_.flushed();
    }
    // What is still in the pipe counts too: the loop ends with the pipe.
    if (!killed && now >= strike) killed = kill(child, SIGKILL) == 0;
  }
  ::close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status))
      << "the writer ended by itself with status " << WEXITSTATUS(status);
}

void Killed::expect_clean() {
  std::string lines;
  auto report = check(options(), Repair::none, lines);
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->corruptions, 0u) << lines;
  EXPECT_EQ(report->check_errors, 0u) << lines;
  EXPECT_TRUE(report->leaks == 0 || !GetParam().rebuilds) << lines;
}

TEST_P(Killed, WriterLosesNothingThatWasFlushed) {
  const Image& image = GetParam();
  std::mt19937_64 random(environment("CRASH_SEED", 1));
  Options create = image.create;
  create.set("cluster_size", std::to_string(image.cluster_bytes));
  create.set("size", std::to_string(clusters * image.cluster_bytes));
  ASSERT_TRUE(succeeded(block::create_image("qcow2", path_, std::move(create))));
  const Workload workload{.name = image.name,
                          .create = image.create,
                          .open = {},
                          .cluster_bytes = image.cluster_bytes,
                          .rebuilds = image.rebuilds};
  const std::uint64_t rounds = environment("CRASH_ROUNDS", 20);
  for (std::uint64_t round = 1; round <= rounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    write_and_kill(std::chrono::microseconds(random() % 20000), round);
    if (HasFatalFailure()) return;
    // A copy is recovered in each way in turn, and used; the file itself is just opened.
    const Recovery& recovery = recoveries[round % own_recoveries];
    ASSERT_EQ(Judge(workload).judge(content_of_file(), model_, recovery, random()), "");
    GuestDisk disk;
    ASSERT_TRUE(succeeded(disk.open(options())));
    auto content = disk.read_all();
    ASSERT_TRUE(succeeded(content));
    ASSERT_EQ(model_.objection(*content), "");
    ASSERT_TRUE(succeeded(disk.close()));
    // From now on that is what is durable.
    model_.will_write(0, *content);
    model_.flushed();
    expect_clean();
  }
  EXPECT_GT(writes_, rounds);
  EXPECT_GT(flushes_, 0u);
  std::printf("%llu rounds\n", static_cast<unsigned long long>(rounds));
}

INSTANTIATE_TEST_SUITE_P(Images, Killed,
                         testing::Values(Image{"dedup_4096", {{"dedup", "sha256"}}, 4096, true},
                                         Image{"dedup_512", {{"dedup", "sha256"}}, 512, true},
                                         Image{"plain_4096", {}, 4096, false},
                                         Image{"lazy_512", {{"lazy_refcounts", "on"}}, 512, true}),
                         [](const auto& test) { return test.param.name; });

} // namespace
} // namespace crash
