// The request entry of a node: what reaches the driver, and in which form.
#include "tests/node/chain-driver.h"
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <thread>

namespace block {
namespace {

class Request : public testing::Test {
protected:
  std::shared_ptr<MemoryFile> memory =
      MemoryFile::create("disk", std::vector<std::byte>(64 * 1024));
  Graph graph;

  std::shared_ptr<Node> open_memory(const std::string& options,
                                    const std::string& driver = "memory") {
    Options parsed = *Options::parse(options);
    parsed.set("driver", driver);
    parsed.set("filename", "disk");
    return open(graph, std::move(parsed));
  }
  // A node that does not grow, over the memory file.
  std::shared_ptr<Node> open_raw(const std::string& options) {
    Options parsed = *Options::parse(options);
    parsed.set("driver", "raw");
    parsed.set_default("file.driver", "memory");
    parsed.set("file.filename", "disk");
    return open(graph, std::move(parsed));
  }
  std::uint64_t writes() const { return memory->count(MemoryOperation::write); }
  std::uint64_t flushes() const { return memory->count(MemoryOperation::flush); }
  std::uint64_t reads() const { return memory->count(MemoryOperation::read); }
};

TEST_F(Request, ReadBeyondTheEndIsRefusedWithEio) {
  auto node = open_raw("");
  std::string data(2, '?');
  Result<void> done = node->co_readv(65535, IoVector(data.data(), 2));
  EXPECT_EQ(kind_of(done), ErrorKind::invalid_argument);
  EXPECT_EQ(done.error().errno_value(), EIO);
  EXPECT_EQ(reads(), 0u);
}

TEST_F(Request, RangeThatOverflowsIsRefused) {
  auto node = open_raw("");
  EXPECT_EQ(kind_of(write(*node, UINT64_MAX - 1, "abcd")), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(node->co_pwrite_zeroes(1, UINT64_MAX)), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(node->co_pdiscard(UINT64_MAX, 1)), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(node->co_block_status(1, UINT64_MAX)), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(node->co_truncate(UINT64_MAX)), ErrorKind::invalid_argument);
  auto growing = open_memory("");
  EXPECT_EQ(kind_of(write(*growing, UINT64_MAX - 1, "abcd")), ErrorKind::invalid_argument);
  EXPECT_EQ(writes(), 0u);
}

TEST_F(Request, NothingToTransferSucceedsWithoutTheDriver) {
  auto node = open_raw("");
  EXPECT_TRUE(succeeded(write(*node, 65536, "")));
  EXPECT_EQ(read(*node, 65536, 0), "");
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(5, 0)));
  EXPECT_EQ(writes() + reads(), 0u);
}

TEST_F(Request, ReadOnlyNodeRefusesEveryChange) {
  auto node = open_raw("read-only=on");
  EXPECT_EQ(kind_of(write(*node, 0, "a")), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->co_pwrite_zeroes(0, 1)), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->co_pdiscard(0, 1)), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->co_truncate(1)), ErrorKind::permission);
  EXPECT_EQ(kind_of(node->check({.repair_leaks = true, .report = {}, .progress = {}})),
            ErrorKind::unsupported);
  EXPECT_EQ(writes(), 0u);
}

TEST_F(Request, WriteBeyondTheEndMakesAFileGrow) {
  auto node = open_memory("");
  EXPECT_TRUE(succeeded(write(*node, 100000, "abc")));
  EXPECT_EQ(*node->co_get_length(), 100003u);
  EXPECT_EQ(read(*node, 99999, 4), zeros(1) + "abc");
}

TEST_F(Request, FilterGrowsIfItsChildGrows) {
  Options over_file = {
      {"driver", "blkdebug"}, {"image.driver", "memory"}, {"image.filename", "disk"}};
  auto growing = open(graph, over_file);
  EXPECT_TRUE(succeeded(write(*growing, 65536, "abc")));
  EXPECT_EQ(*growing->co_get_length(), 65539u);
  ASSERT_TRUE(succeeded(graph.close_all()));
  Options over_disk = {{"driver", "blkdebug"},
                       {"image.driver", "raw"},
                       {"image.file.driver", "memory"},
                       {"image.file.filename", "disk"}};
  auto fixed = open(graph, over_disk);
  EXPECT_EQ(*fixed->co_get_length(), 66048u) << "the last sector counts";
  EXPECT_EQ(kind_of(write(*fixed, 66048, "a")), ErrorKind::invalid_argument);
  EXPECT_TRUE(succeeded(fixed->co_truncate(70 * 1024)));
  EXPECT_EQ(*fixed->co_get_length(), 70u * 1024);
}

TEST_F(Request, LongRequestsArriveInPieces) {
  auto node = open_memory("max-transfer=1024");
  const std::string data = pattern(5000);
  EXPECT_TRUE(succeeded(write(*node, 10, data)));
  EXPECT_EQ(writes(), 5u);
  EXPECT_EQ(read(*node, 10, 5000), data);
  EXPECT_EQ(reads(), 5u);
}

TEST_F(Request, UnalignedWriteKeepsItsNeighbours) {
  auto node = open_memory("align=512");
  EXPECT_TRUE(succeeded(write(*node, 0, std::string(2048, 'o'))));
  EXPECT_TRUE(succeeded(write(*node, 500, std::string(600, 'x')))); // two edges
  EXPECT_TRUE(succeeded(write(*node, 1540, "yy")));                 // within one block
  EXPECT_TRUE(succeeded(write(*node, 1536, "z")));                  // at the start of a block
  EXPECT_EQ(read(*node, 0, 2048), std::string(500, 'o') + std::string(600, 'x') +
                                      std::string(436, 'o') +
                                      "zooo"
                                      "yy" +
                                      std::string(506, 'o'));
  for (const MemoryChange& change : memory->unflushed()) {
    EXPECT_EQ(change.offset % 512, 0u);
    EXPECT_EQ(change.bytes % 512, 0u);
  }
}

TEST_F(Request, UnalignedWriteBeyondTheEndReadsNothing) {
  auto node = open_memory("align=512");
  EXPECT_TRUE(succeeded(write(*node, 100 * 1024 + 3, "abc")));
  EXPECT_EQ(reads(), 0u);
  EXPECT_EQ(read(*node, 100 * 1024, 8), zeros(3) + "abc" + zeros(2));
}

TEST_F(Request, UnalignedWritesOfOneBlockDoNotLoseEachOther) {
  auto node = open_memory("align=4096");
  // Time for another writer to come between the reading of a block and its writing.
  memory->set_hook([](MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation == MemoryOperation::write)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
  });
  std::vector<std::thread> writers;
  for (unsigned writer = 0; writer < 4; ++writer)
    writers.emplace_back([&, writer] {
      const std::string byte(1, static_cast<char>('a' + writer));
      for (unsigned place = writer; place < 400; place += 4)
        EXPECT_TRUE(succeeded(write(*node, place, byte)));
    });
  for (std::thread& writer : writers)
    writer.join();
  std::string expected;
  for (unsigned place = 0; place < 400; ++place)
    expected += static_cast<char>('a' + place % 4);
  EXPECT_EQ(read(*node, 0, 400), expected);
}

TEST_F(Request, FuaReachesADriverThatHasIt) {
  auto node = open_memory("");
  EXPECT_TRUE(succeeded(write(*node, 0, "a", {.fua = true})));
  EXPECT_EQ(memory->fua_writes(), 1u);
  EXPECT_EQ(flushes(), 0u);
}

TEST_F(Request, FuaBecomesAFlushForADriverWithoutIt) {
  auto node = open_memory("", "memory-plain");
  EXPECT_TRUE(succeeded(write(*node, 0, "a", {.fua = true})));
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(8, 8, {.fua = true})));
  EXPECT_EQ(memory->fua_writes(), 0u);
  EXPECT_EQ(flushes(), 2u);
  EXPECT_TRUE(memory->unflushed().empty());
}

TEST_F(Request, FlushOfAnUnsafeNodeDoesNotReachTheFile) {
  auto node = open_raw("cache.no-flush=on");
  EXPECT_TRUE(succeeded(write(*node, 0, "a", {.fua = true})));
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_EQ(flushes() + memory->fua_writes(), 0u);
}

TEST_F(Request, FlushOfAFormatReachesItsFile) {
  auto node = open_raw("");
  EXPECT_TRUE(succeeded(write(*node, 0, "a")));
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_TRUE(memory->unflushed().empty());
}

TEST_F(Request, ZerosAreWrittenAsBytesWhereTheDriverHasNoBetterWay) {
  auto node = open_memory("max-transfer=65536", "memory-plain");
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(8192))));
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(100, 3 << 20)));
  EXPECT_EQ(read(*node, 0, 200), pattern(8192).substr(0, 100) + zeros(100));
  EXPECT_EQ(*node->co_get_length(), 100u + (3 << 20));
}

TEST_F(Request, ZerosWithoutFallbackAreRefusedWhereTheDriverHasNoBetterWay) {
  auto node = open_memory("", "memory-plain");
  EXPECT_EQ(kind_of(node->co_pwrite_zeroes(0, 512, {.no_fallback = true})), ErrorKind::unsupported);
  EXPECT_EQ(writes(), 0u);
}

TEST_F(Request, UnalignedZerosKeepTheirNeighbours) {
  auto node = open_memory("align=512");
  const std::string data = pattern(4096);
  EXPECT_TRUE(succeeded(write(*node, 0, data)));
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(100, 3000, {.fua = true})));
  EXPECT_EQ(read(*node, 0, 4096), data.substr(0, 100) + zeros(3000) + data.substr(3100));
  EXPECT_TRUE(memory->unflushed().empty());
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(10, 20)));
  EXPECT_EQ(read(*node, 0, 100), data.substr(0, 10) + zeros(20) + data.substr(30, 70));
}

TEST_F(Request, DetectZeroesTurnsAWriteOfZerosIntoAZeroWrite) {
  auto node = open_raw("detect-zeroes=on");
  EXPECT_TRUE(succeeded(write(*node, 0, zeros(512))));
  EXPECT_TRUE(succeeded(write(*node, 0, zeros(511) + "x")));
  EXPECT_EQ(node->file()->stats().zero_operations, 1u);
  EXPECT_EQ(node->file()->stats().write_operations, 1u);
}

TEST_F(Request, DetectZeroesUnmapNeedsDiscard) {
  Options options{{"driver", "raw"},
                  {"file.driver", "memory"},
                  {"file.filename", "disk"},
                  {"detect-zeroes", "unmap"},
                  {"discard", "ignore"}};
  EXPECT_EQ(kind_of(graph.open(options, {})), ErrorKind::invalid_argument);
}

TEST_F(Request, DiscardKeepsWhatSharesABlockWithIt) {
  auto node = open_memory("align=512");
  EXPECT_TRUE(succeeded(write(*node, 0, std::string(2048, 'x'))));
  EXPECT_TRUE(succeeded(node->co_pdiscard(10, 1100)));
  EXPECT_EQ(read(*node, 0, 2048), std::string(512, 'x') + zeros(512) + std::string(1024, 'x'));
  EXPECT_TRUE(succeeded(node->co_pdiscard(1100, 100))); // no whole block
  EXPECT_EQ(memory->count(MemoryOperation::discard), 1u);
}

TEST_F(Request, IgnoredDiscardsDoNotReachTheDriver) {
  auto node = open_memory("discard=ignore");
  EXPECT_TRUE(succeeded(node->co_pdiscard(0, 512)));
  EXPECT_EQ(memory->count(MemoryOperation::discard), 0u);
}

TEST_F(Request, StatusWithoutADriversAnswerIsAllData) {
  auto node = open_memory("");
  const Result<BlockStatus> status = node->co_block_status(512, 1024);
  ASSERT_TRUE(succeeded(status));
  EXPECT_EQ(status->bytes, 1024u);
  EXPECT_TRUE(status->allocated && status->data && !status->zero);
  EXPECT_EQ(status->host_offset, 512u);
}

TEST_F(Request, StatisticsCountWhatSucceeded) {
  auto node = open_raw("");
  EXPECT_TRUE(succeeded(write(*node, 0, "abcd")));
  EXPECT_EQ(read(*node, 0, 3), "abc");
  EXPECT_TRUE(succeeded(node->co_flush()));
  memory->fail(MemoryOperation::write, 1, EIO);
  EXPECT_FALSE(write(*node, 0, "abcd").ok());
  const NodeStats& stats = node->stats();
  EXPECT_EQ(stats.write_operations, 1u);
  EXPECT_EQ(stats.written_bytes, 4u);
  EXPECT_EQ(stats.read_operations, 1u);
  EXPECT_EQ(stats.read_bytes, 3u);
  EXPECT_EQ(stats.flush_operations, 1u);
  EXPECT_EQ(stats.failed_operations, 1u);
}

TEST_F(Request, ErrorsOfTheFileKeepTheirErrno) {
  auto node = open_raw("");
  memory->fail(MemoryOperation::write, 2, ENOSPC);
  EXPECT_TRUE(succeeded(write(*node, 0, "a")));
  const Result<void> failed = write(*node, 0, "a");
  EXPECT_EQ(kind_of(failed), ErrorKind::no_space);
  EXPECT_EQ(failed.error().errno_value(), ENOSPC);
  memory->fail(MemoryOperation::flush, 1, EIO);
  EXPECT_EQ(kind_of(node->co_flush()), ErrorKind::io);
}

TEST_F(Request, EdgeThatCannotBeReadFailsTheWriteAndWritesNothing) {
  auto node = open_memory("align=512");
  memory->fail_always(MemoryOperation::read, EIO);
  EXPECT_EQ(kind_of(write(*node, 3, "abc")), ErrorKind::io);
  EXPECT_EQ(writes(), 0u);
}

TEST_F(Request, DiskProbedAsRawMayNotBecomeAnotherFormat) {
  register_chain_driver();
  const std::string image = chain_image("/etc/passwd", "raw");
  const Options probed{{"file.driver", "memory"}, {"file.filename", "disk"}};
  auto node = open(graph, probed);
  const Result<void> refused = write(*node, 0, image);
  EXPECT_EQ(kind_of(refused), ErrorKind::permission);
  EXPECT_EQ(message_of(refused), "Write would make the disk look like format 'chain', because its "
                                 "format was probed and not given");
  EXPECT_TRUE(succeeded(write(*node, 3, image.substr(3)))) << "harmless without the beginning";
  EXPECT_EQ(kind_of(write(*node, 0, "CHA")), ErrorKind::permission) << "the other half";
  EXPECT_TRUE(succeeded(write(*node, 0, "cha")));
  EXPECT_EQ(read(*node, 0, image.size()), "cha" + image.substr(3));
  EXPECT_TRUE(succeeded(write(*node, 1024, image)));
}

TEST_F(Request, DiskGivenAsRawMayHoldAnything) {
  register_chain_driver();
  EXPECT_TRUE(succeeded(write(*open_raw(""), 0, chain_image("/etc/passwd", "raw"))));
}

TEST_F(Request, ClosedNodeRefusesRequests) {
  auto node = open_memory("");
  ASSERT_TRUE(succeeded(graph.close(node->name())));
  EXPECT_EQ(kind_of(write(*node, 0, "a")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(node->co_get_length()), ErrorKind::not_found);
  EXPECT_EQ(kind_of(node->get_info()), ErrorKind::not_found);
  EXPECT_EQ(kind_of(node->query_dedup()), ErrorKind::not_found);
}

TEST_F(Request, DedupControlOfAnOrdinaryNodeSaysSo) {
  auto node = open_memory("node-name=m");
  EXPECT_EQ(message_of(node->pause_dedup()), "Device 'm' is not deduplicated");
  EXPECT_EQ(kind_of(node->query_dedup()), ErrorKind::not_dedup);
}

} // namespace
} // namespace block
