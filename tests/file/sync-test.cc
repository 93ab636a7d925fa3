// Flushes of a file whose kernel reports a lost page once: fdatasync() is replaced in this program.
#include "block/file/sync.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <functional>
#include <future>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>

namespace {

std::function<int(int)> fake_fdatasync; // empty: the kernel's

} // namespace

extern "C" int fdatasync(int descriptor) {
  if (fake_fdatasync) return fake_fdatasync(descriptor);
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

namespace block {
namespace {

// A page was lost: whoever asks first is told, and everybody else hears of nothing. The answer
// takes a while.
class KernelThatReportsOnce {
public:
  int answer() {
    ++calls;
    const bool told = lost_.exchange(false);
    std::this_thread::sleep_for(answer_takes);
    if (!told) return 0;
    errno = EIO;
    return -1;
  }
  void lose_a_page() { lost_ = true; }

  std::chrono::milliseconds answer_takes{0};
  std::atomic<int> calls{0};

private:
  std::atomic<bool> lost_{false};
};

class Sync : public testing::Test {
protected:
  Sync() : file(::open(directory.make("f", "x").c_str(), O_RDWR)) {
    fake_fdatasync = [this](int) { return kernel.answer(); };
    EXPECT_TRUE(succeeded(sync.open(file.get())));
  }
  ~Sync() override { fake_fdatasync = nullptr; }

  TemporaryDirectory directory;
  Descriptor file;
  KernelThatReportsOnce kernel;
  FileSync sync;
};

TEST_F(Sync, FailureIsRememberedThoughTheKernelReportsItOnce) {
  EXPECT_TRUE(succeeded(sync.sync()));
  EXPECT_TRUE(succeeded(sync.failure()));
  kernel.lose_a_page();
  EXPECT_EQ(message_of(sync.sync()), "flush failed: Input/output error");
  EXPECT_EQ(message_of(sync.sync()), "an earlier flush failed: Input/output error");
  EXPECT_EQ(message_of(sync.failure()), "an earlier flush failed: Input/output error");
}

TEST_F(Sync, OfFlushesThatMeetAllFail) {
  kernel.answer_takes = std::chrono::milliseconds(20);
  for (int round = 0; round < 5; ++round) {
    FileSync together;
    ASSERT_TRUE(succeeded(together.open(file.get())));
    kernel.lose_a_page();
    std::vector<std::future<bool>> flushes;
    for (int i = 0; i < 8; ++i)
      flushes.push_back(std::async(std::launch::async, [&] { return together.sync().ok(); }));
    for (std::future<bool>& flush : flushes)
      EXPECT_FALSE(flush.get());
  }
}

TEST_F(Sync, FlushThatBeganBeforeTheLossIsNoPromiseAboutIt) {
  std::promise<void> entered, go_on;
  fake_fdatasync = [&, first = true](int) mutable {
    if (!std::exchange(first, false)) return kernel.answer();
    entered.set_value();
    go_on.get_future().wait();
    return 0; // covers what was written before it began
  };
  auto before = std::async(std::launch::async, [&] { return sync.sync().ok(); });
  entered.get_future().wait();
  kernel.lose_a_page();
  auto after = std::async(std::launch::async, [&] { return sync.sync().ok(); });
  go_on.set_value();
  EXPECT_TRUE(before.get());
  EXPECT_FALSE(after.get());
}

TEST_F(Sync, FlushesThatWaitShareOneCall) {
  kernel.answer_takes = std::chrono::milliseconds(50);
  std::vector<std::thread> flushes;
  for (int i = 0; i < 16; ++i)
    flushes.emplace_back([&] { EXPECT_TRUE(succeeded(sync.sync())); });
  for (std::thread& flush : flushes)
    flush.join();
  EXPECT_LT(kernel.calls, 8);
}

TEST_F(Sync, FlushDoesNotCoverWhatIsWrittenWhileItRuns) {
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(succeeded(sync.sync()));
  EXPECT_EQ(kernel.calls, 3);
}

TEST_F(Sync, AsksOnAnOpenFileOfItsOwn) {
  int asked = -1;
  fake_fdatasync = [&](int descriptor) {
    asked = descriptor;
    return 0;
  };
  EXPECT_TRUE(succeeded(sync.sync()));
  EXPECT_NE(asked, file.get());
  struct stat mine = {}, its = {};
  EXPECT_EQ(fstat(file.get(), &mine), 0);
  EXPECT_EQ(fstat(asked, &its), 0);
  EXPECT_EQ(mine.st_ino, its.st_ino);
}

} // namespace
} // namespace block
