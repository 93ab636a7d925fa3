// The contract of include/block/driver.h, for every driver alike.
#include "tests/contract/disks.h"

#include <random>
#include <thread>

namespace block {
namespace {

constexpr std::uint64_t disk_bytes = 2 * 1024 * 1024;

class Contract : public testing::TestWithParam<DriverUnderTest> {
protected:
  std::unique_ptr<Disk> disk = GetParam().make(disk_bytes);
  Graph graph;
  std::shared_ptr<Node> node;

  void SetUp() override { reopen(); }
  void reopen(Graph::OpenDefaults defaults = {}) {
    EXPECT_TRUE(succeeded(graph.close_all()));
    node = open(graph, disk->options(), defaults);
    ASSERT_TRUE(node);
  }
  bool keeps_data() const { return GetParam().keeps_data; }
  // What a read has to give where `data` was written.
  std::string kept(const std::string& data) const {
    return keeps_data() ? data : zeros(data.size());
  }
};

// Drivers whose nodes grow when written beyond the end.
class GrowingContract : public Contract {};
// Drivers over driver "memory", where writes can fail and power can be cut.
class FaultContract : public Contract {};

TEST_P(Contract, NewDiskHasItsSizeAndReadsAsZeros) {
  EXPECT_EQ(*node->co_get_length(), disk_bytes);
  EXPECT_EQ(read(*node, 0, disk_bytes), zeros(disk_bytes));
}

TEST_P(Contract, WrittenDataIsReadBackAtAnyOffsetAndLength) {
  const std::string data = pattern(disk_bytes);
  EXPECT_TRUE(succeeded(write(*node, 0, data)));
  EXPECT_EQ(read(*node, 0, disk_bytes), kept(data));
  for (const std::uint64_t offset : {0u, 1u, 511u, 512u, 4095u, 65535u, 65536u, 1000003u})
    for (const std::uint64_t bytes : {1u, 2u, 511u, 513u, 4096u, 70000u})
      EXPECT_EQ(read(*node, offset, bytes), kept(data.substr(offset, bytes)))
          << bytes << " bytes at " << offset;
}

TEST_P(Contract, RandomWritesAndZerosMatchAModel) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::string model = zeros(disk_bytes);
  for (int step = 0; step < 400; ++step) {
    const std::uint64_t bytes = 1 + random() % (step % 8 ? 5000 : 200000);
    const std::uint64_t offset = random() % (disk_bytes - bytes);
    switch (random() % 4) {
    case 0:
      EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(offset, bytes, {.may_unmap = step % 2 == 0})));
      model.replace(offset, bytes, zeros(bytes));
      break;
    case 1:
      EXPECT_EQ(read(*node, offset, bytes), kept(model.substr(offset, bytes)));
      break;
    default:
      const std::string data = pattern(bytes, random());
      EXPECT_TRUE(succeeded(write(*node, offset, data, {.fua = step % 16 == 0})));
      model.replace(offset, bytes, data);
    }
  }
  EXPECT_EQ(read(*node, 0, disk_bytes), kept(model));
  reopen();
  EXPECT_EQ(read(*node, 0, disk_bytes), kept(model)) << "after close and open";
}

TEST_P(Contract, WriteOfSeveralSegmentsIsOneWrite) {
  std::string first = pattern(700, 1), second = pattern(5000, 2), third = pattern(1, 3);
  IoVector vector(first.data(), first.size());
  vector.append(IoVector(second.data(), second.size()));
  vector.append(IoVector(third.data(), third.size()));
  EXPECT_TRUE(succeeded(node->co_writev(12345, vector)));
  EXPECT_EQ(read(*node, 12344, 5703), zeros(1) + kept(first + second + third) + zeros(1));
}

TEST_P(Contract, RangesBeyondTheEndAreRefusedAndLeaveTheDiskAsItWas) {
  EXPECT_EQ(read(*node, disk_bytes - 1, 2).substr(0, 11), "read failed");
  EXPECT_EQ(kind_of(node->co_pdiscard(disk_bytes, 1)), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(node->co_block_status(disk_bytes, 1)), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(write(*node, UINT64_MAX, "a")), ErrorKind::invalid_argument);
  if (!GetParam().grows) {
    EXPECT_EQ(kind_of(write(*node, disk_bytes - 1, "ab")), ErrorKind::invalid_argument);
    EXPECT_EQ(kind_of(node->co_pwrite_zeroes(disk_bytes - 1, 2)), ErrorKind::invalid_argument);
  }
  EXPECT_EQ(*node->co_get_length(), disk_bytes);
}

TEST_P(GrowingContract, WriteBeyondTheEndMakesAGrowingNodeLonger) {
  EXPECT_TRUE(succeeded(write(*node, disk_bytes + 10, "abc")));
  const std::uint64_t block = node->limits().request_alignment;
  EXPECT_EQ(*node->co_get_length(), (disk_bytes + 13 + block - 1) / block * block);
  EXPECT_EQ(read(*node, disk_bytes - 1, 14), zeros(11) + "abc");
}

TEST_P(Contract, ReadOnlyNodeReadsAndRefusesChanges) {
  EXPECT_TRUE(succeeded(write(*node, 5, "abc")));
  reopen({.read_only = true});
  EXPECT_EQ(read(*node, 5, 3), kept("abc"));
  EXPECT_EQ(kind_of(write(*node, 0, "a")), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->co_pwrite_zeroes(0, 1)), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->co_pdiscard(0, 1)), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->co_truncate(0)), ErrorKind::permission);
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_EQ(read(*node, 5, 3), kept("abc"));
}

TEST_P(Contract, DiscardTouchesNothingOutsideItsRange) {
  const std::string data = pattern(400000);
  EXPECT_TRUE(succeeded(write(*node, 0, data)));
  EXPECT_TRUE(succeeded(node->co_pdiscard(100001, 200000)));
  EXPECT_EQ(read(*node, 0, 100001), kept(data.substr(0, 100001)));
  EXPECT_EQ(read(*node, 300001, 99999), kept(data.substr(300001)));
  const std::string discarded = read(*node, 100001, 200000);
  for (std::size_t i = 0; i < discarded.size(); ++i)
    ASSERT_TRUE(discarded[i] == '\0' || discarded[i] == data[100001 + i])
        << "byte " << i << " is neither zero nor what was there";
}

TEST_P(Contract, TruncationGrowsWithZerosAndShrinks) {
  if (!GetParam().truncates) {
    EXPECT_EQ(kind_of(node->co_truncate(1)), ErrorKind::unsupported);
    return;
  }
  const std::string data = pattern(1000);
  EXPECT_TRUE(succeeded(write(*node, disk_bytes - 1000, data)));
  EXPECT_TRUE(succeeded(node->co_truncate(disk_bytes + 102400)));
  EXPECT_EQ(*node->co_get_length(), disk_bytes + 102400);
  EXPECT_EQ(read(*node, disk_bytes - 1000, 103400), data + zeros(102400));
  EXPECT_TRUE(succeeded(write(*node, disk_bytes + 50000, "abc")));
  reopen();
  EXPECT_EQ(*node->co_get_length(), disk_bytes + 102400);
  EXPECT_EQ(read(*node, disk_bytes + 50000, 3), "abc");
  Result<void> shrunk = node->co_truncate(disk_bytes - 512);
  if (!shrunk && shrunk.error().kind() == ErrorKind::unsupported) return;
  ASSERT_TRUE(succeeded(shrunk));
  EXPECT_EQ(read(*node, disk_bytes - 1000, 488), data.substr(0, 488));
  EXPECT_TRUE(succeeded(node->co_truncate(disk_bytes)));
  EXPECT_EQ(read(*node, disk_bytes - 512, 512), zeros(512)) << "old data came back";
}

TEST_P(Contract, StatusCoversTheDiskAndTellsZerosTruly) {
  EXPECT_TRUE(succeeded(write(*node, 300001, pattern(70000))));
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(310000, 5000)));
  for (std::uint64_t offset = 0; offset < disk_bytes;) {
    Result<BlockStatus> status = node->co_block_status(offset, disk_bytes - offset);
    ASSERT_TRUE(succeeded(status));
    ASSERT_GE(status->bytes, 1u);
    ASSERT_LE(status->bytes, disk_bytes - offset);
    EXPECT_FALSE(status->zero && status->data);
    if (status->zero) {
      EXPECT_EQ(read(*node, offset, status->bytes), zeros(status->bytes)) << "at " << offset;
    }
    offset += status->bytes;
  }
}

TEST_P(Contract, ConcurrentWritesOfDisjointRangesAllArrive) {
  constexpr unsigned threads = 4, each = 100, bytes = 1500; // neighbours share blocks and clusters
  std::vector<std::thread> writers;
  for (unsigned thread = 0; thread < threads; ++thread)
    writers.emplace_back([&, thread] {
      for (unsigned i = 0; i < each; ++i) {
        const unsigned place = i * threads + thread;
        EXPECT_TRUE(succeeded(write(*node, place * bytes, pattern(bytes, place))));
        if (i % 10 == 0) {
          EXPECT_TRUE(succeeded(node->co_flush()));
        }
      }
    });
  for (std::thread& writer : writers)
    writer.join();
  for (unsigned place = 0; place < threads * each; ++place)
    ASSERT_EQ(read(*node, place * bytes, bytes), kept(pattern(bytes, place))) << "write " << place;
}

TEST_P(FaultContract, FlushMakesWritesDurable) {
  EXPECT_TRUE(succeeded(write(*node, 1000, "abc")));
  EXPECT_TRUE(succeeded(node->co_flush()));
  const std::vector<std::byte> after_power_cut = disk->memory()->durable_content();
  graph.close_all().ok();
  disk->memory()->set_content(after_power_cut);
  reopen();
  EXPECT_EQ(read(*node, 1000, 3), "abc");
}

TEST_P(FaultContract, WriteWithFuaIsDurableWithoutAFlush) {
  EXPECT_TRUE(succeeded(write(*node, 1000, "abc", {.fua = true})));
  const std::vector<std::byte> after_power_cut = disk->memory()->durable_content();
  graph.close_all().ok();
  disk->memory()->set_content(after_power_cut);
  reopen();
  EXPECT_EQ(read(*node, 1000, 3), "abc");
}

TEST_P(FaultContract, ErrorsOfTheFileReachTheCallerWithTheirErrno) {
  MemoryFile& memory = *disk->memory();
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(100000))));
  EXPECT_TRUE(succeeded(node->co_flush()));

  memory.fail_always(MemoryOperation::read, EIO);
  std::string data(100000, '?');
  Result<void> failed = node->co_readv(0, IoVector(data.data(), data.size()));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().errno_value(), EIO);
  memory.heal();

  memory.fail_always(MemoryOperation::flush, EIO);
  EXPECT_TRUE(succeeded(write(*node, 500000, "abc")));
  failed = node->co_flush();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().errno_value(), EIO);
  memory.heal();

  memory.fail_always(MemoryOperation::write, ENOSPC);
  failed = write(*node, 1000000, pattern(200000));
  if (failed) failed = node->co_flush();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().errno_value(), ENOSPC);
  memory.heal();
  EXPECT_EQ(read(*node, 0, 100000), pattern(100000)) << "other ranges are untouched";
}

TEST_P(Contract, UnknownOptionIsRefusedAndNamed) {
  EXPECT_TRUE(succeeded(graph.close_all()));
  Options options = disk->options();
  options.set("colour", "red");
  const std::string message = message_of(graph.open(std::move(options), {}));
  EXPECT_NE(message.find("'colour'"), std::string::npos) << message;
  EXPECT_TRUE(graph.nodes().empty());
}

std::vector<DriverUnderTest> drivers_where(bool DriverUnderTest::*flag) {
  std::vector<DriverUnderTest> drivers = drivers_under_test();
  std::erase_if(drivers, [&](const DriverUnderTest& driver) { return !(driver.*flag); });
  return drivers;
}

std::string name_of(const testing::TestParamInfo<DriverUnderTest>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Drivers, Contract, testing::ValuesIn(drivers_under_test()), name_of);
INSTANTIATE_TEST_SUITE_P(Drivers, GrowingContract,
                         testing::ValuesIn(drivers_where(&DriverUnderTest::grows)), name_of);
INSTANTIATE_TEST_SUITE_P(Drivers, FaultContract,
                         testing::ValuesIn(drivers_where(&DriverUnderTest::over_memory)), name_of);

} // namespace
} // namespace block
