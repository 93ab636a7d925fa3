// blklogwrites: what stands in the log, in which order, and what happens when the log fails.
#include "tests/support/nodes.h"
#include "tests/support/write-log-reader.h"

#include <cerrno>
#include <chrono>
#include <future>

namespace block {
namespace {

using Kind = MemoryChange::Kind;

class Blklogwrites : public testing::Test {
protected:
  static constexpr std::uint64_t disk_bytes = 64 * 1024;
  std::shared_ptr<MemoryFile> disk = MemoryFile::create("disk", std::vector<std::byte>(disk_bytes));
  std::shared_ptr<MemoryFile> log = MemoryFile::create("log");
  Graph graph;
  std::shared_ptr<Node> node;

  static Options logging(const std::string& text) {
    Options options = *Options::parse(text);
    options.set("driver", "blklogwrites");
    options.set_default("file.driver", "memory");
    options.set("file.filename", "disk");
    options.set("log.driver", "memory");
    options.set("log.filename", "log");
    return options;
  }
  void open_with(const std::string& text) { ASSERT_TRUE(node = open(graph, logging(text))); }
  std::string refusal(const std::string& text) { return message_of(graph.open(logging(text), {})); }
  void close() {
    node.reset();
    EXPECT_TRUE(succeeded(graph.close_all()));
  }

  // The log as text: a word for each request, in order.
  std::string logged() {
    Result<std::vector<LoggedRequest>> requests = read_write_log(log->content());
    if (!requests) return requests.error().message();
    std::string text;
    for (const LoggedRequest& request : *requests)
      text += (text.empty() ? "" : ", ") + word(request);
    return text;
  }
  // The disk as the log tells it, if it was zeros before.
  std::vector<std::byte> replayed() {
    std::vector<std::byte> content(disk_bytes);
    Result<std::vector<LoggedRequest>> requests = read_write_log(log->content());
    EXPECT_TRUE(succeeded(requests));
    for (const LoggedRequest& request : *requests)
      if (request.change) apply_change(content, *request.change);
    return content;
  }

private:
  static std::string word(const LoggedRequest& request) {
    if (request.is_flush())
      return "flush" +
             (request.not_covered == 0 ? "" : " without " + std::to_string(request.not_covered));
    const MemoryChange& change = *request.change;
    if (change.kind == Kind::truncate) return "truncate " + std::to_string(change.offset);
    return std::string(change.kind == Kind::discard ? "discard"
                       : change.durable             ? "fua"
                                                    : "write") +
           " " + std::to_string(change.bytes) + " at " + std::to_string(change.offset);
  }
};

TEST_F(Blklogwrites, LogsEverythingThatChangesTheFileAndNothingElse) {
  open_with("");
  EXPECT_TRUE(succeeded(write(*node, 512, pattern(1024))));
  EXPECT_EQ(read(*node, 512, 1024), pattern(1024));
  EXPECT_TRUE(succeeded(node->co_block_status(0, 512)));
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(1024, 512)));
  EXPECT_TRUE(succeeded(node->co_pdiscard(4096, 8192)));
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512, 2), {.fua = true})));
  EXPECT_TRUE(succeeded(node->co_truncate(32768)));
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_EQ(logged(), "write 1024 at 512, write 512 at 1024, discard 8192 at 4096, flush, "
                      "fua 512 at 0, truncate 32768, flush");
  EXPECT_EQ(replayed(), disk->content());
  EXPECT_EQ(disk->fua_writes(), 1u);
}

TEST_F(Blklogwrites, ReplayedGivesTheFileAfterWritesOfAnyOffsetAndLength) {
  open_with("");
  for (unsigned i = 0; i < 40; ++i) {
    EXPECT_TRUE(succeeded(write(*node, i * 1531, pattern(i * 97 + 1, i))));
    EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(i * 1231 + 700, i * 31 + 1)));
  }
  close();
  EXPECT_EQ(replayed(), disk->content());
}

TEST_F(Blklogwrites, IsInTheFormatOfLinux) {
  open_with("");
  const std::string data = pattern(512);
  EXPECT_TRUE(succeeded(write(*node, 1536, data)));
  EXPECT_TRUE(succeeded(node->co_truncate(disk_bytes)));
  close();
  auto little = [](std::uint64_t value, std::size_t bytes = 8) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i)
      text += static_cast<char>(value >> (8 * i));
    return text;
  };
  auto sector = [](std::string text) {
    text.resize(512);
    return text;
  };
  const std::string expected =
      sector(little(0x6a736677736872) + little(1) + little(3) + little(512, 4)) +
      sector(little(3) + little(1) + little(0) + little(0)) + data +
      sector(little(0) + little(0) + little(8) + little(14) + "truncate 65536") +
      sector(little(0) + little(0) + little(1) + little(0));
  const std::vector<std::byte> found = log->content();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(found.data()), found.size()), expected);
}

TEST_F(Blklogwrites, AFlushSaysHowMuchOfWhatStandsBeforeItItDoesNotCover) {
  open_with("");
  std::promise<void> begun, go_on;
  disk->set_hook([&](MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation != MemoryOperation::flush) return;
    begun.set_value();
    go_on.get_future().wait();
  });
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
  auto flush = std::async(std::launch::async, [&] { return node->co_flush(); });
  begun.get_future().wait();
  disk->set_hook({});
  EXPECT_TRUE(succeeded(write(*node, 512, pattern(512))));
  EXPECT_TRUE(succeeded(node->co_pdiscard(4096, 4096)));
  go_on.set_value();
  EXPECT_TRUE(succeeded(flush.get()));
  EXPECT_TRUE(succeeded(node->co_flush())) << "which covers the rest";
  EXPECT_EQ(logged(), "write 512 at 0, write 512 at 512, discard 4096 at 4096, flush without 2, "
                      "flush");
}

TEST_F(Blklogwrites, ChangesThatOverlapStandInTheOrderInWhichTheFileHasThem) {
  open_with("");
  std::promise<void> begun, go_on;
  disk->set_hook([&](MemoryOperation, std::uint64_t, std::uint64_t) {
    begun.set_value();
    go_on.get_future().wait();
  });
  auto first = std::async(std::launch::async, [&] { return write(*node, 0, pattern(1024)); });
  begun.get_future().wait();
  disk->set_hook({});
  auto second = std::async(std::launch::async, [&] { return write(*node, 512, pattern(512, 2)); });
  auto third = std::async(std::launch::async, [&] { return node->co_pdiscard(0, 512); });
  EXPECT_TRUE(succeeded(write(*node, 1024, pattern(512, 3)))) << "which need not wait";
  const auto a_while = std::chrono::milliseconds(50);
  EXPECT_EQ(second.wait_for(a_while), std::future_status::timeout);
  EXPECT_EQ(third.wait_for(a_while), std::future_status::timeout);
  go_on.set_value();
  for (auto* request : {&first, &second, &third})
    EXPECT_TRUE(succeeded(request->get()));
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_TRUE(logged().starts_with("write 512 at 1024, write 1024 at 0, ")) << logged();
  EXPECT_EQ(replayed(), disk->content());
}

TEST_F(Blklogwrites, AFlushOfNothingNewIsNotLogged) {
  open_with("");
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(succeeded(node->co_flush()));
  close();
  EXPECT_EQ(logged(), "write 512 at 0, flush");
  EXPECT_EQ(disk->count(MemoryOperation::flush), 6u) << "it still reaches the file";
}

TEST_F(Blklogwrites, WhatTheFileRefusesIsNotLogged) {
  open_with("");
  disk->fail_always(MemoryOperation::write, EIO);
  disk->fail_always(MemoryOperation::discard, EIO);
  disk->fail_always(MemoryOperation::truncate, EIO);
  disk->fail_always(MemoryOperation::flush, EIO);
  EXPECT_FALSE(write(*node, 0, pattern(512)));
  EXPECT_FALSE(node->co_pwrite_zeroes(0, 512));
  EXPECT_FALSE(node->co_pdiscard(0, 512));
  EXPECT_FALSE(node->co_truncate(512));
  EXPECT_FALSE(node->co_flush());
  disk->heal();
  EXPECT_TRUE(succeeded(write(*node, 512, pattern(512))));
  close();
  EXPECT_EQ(logged(), "write 512 at 512, flush");
}

TEST_F(Blklogwrites, AfterAnEntryThatFailedNothingIsDoneOrLogged) {
  open_with("");
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
  log->fail(MemoryOperation::write, 1, ENOSPC);
  EXPECT_EQ(kind_of(write(*node, 512, pattern(512))), ErrorKind::no_space);
  const std::vector<std::byte> before = disk->content();
  const std::string later = "The write log is not complete since this failed: write of memory file "
                            "failed: No space left on device";
  EXPECT_EQ(message_of(write(*node, 1024, pattern(512))), later);
  EXPECT_EQ(message_of(node->co_pwrite_zeroes(0, 512)), later);
  EXPECT_EQ(message_of(node->co_pdiscard(0, 512)), later);
  EXPECT_EQ(message_of(node->co_truncate(512)), later);
  EXPECT_EQ(message_of(node->co_flush()), later);
  EXPECT_EQ(disk->content(), before);
  EXPECT_EQ(read(*node, 0, 512), pattern(512)) << "reads go on";
  node.reset();
  EXPECT_FALSE(graph.close_all());
  EXPECT_EQ(logged(), "write 512 at 0") << "what stands before it counts";
}

TEST_F(Blklogwrites, TheSuperblockCountsAtFlushesAtIntervalsAndAtTheClose) {
  open_with("log-super-update-interval=2");
  EXPECT_EQ(logged(), "");
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
  EXPECT_EQ(logged(), "");
  EXPECT_TRUE(succeeded(write(*node, 512, pattern(512))));
  EXPECT_EQ(logged(), "write 512 at 0, write 512 at 512");
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_EQ(logged(), "write 512 at 0, write 512 at 512, flush");
  close();

  open_with("");
  EXPECT_EQ(logged(), "") << "a new log begins at once";
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
  disk->fail_always(MemoryOperation::flush, EIO);
  node.reset();
  EXPECT_FALSE(graph.close_all());
  EXPECT_EQ(logged(), "write 512 at 0");
}

TEST_F(Blklogwrites, GoesOnWithALogAndItsSectorSize) {
  open_with("log-sector-size=4096");
  EXPECT_TRUE(succeeded(write(*node, 4096, pattern(4096))));
  EXPECT_TRUE(succeeded(node->co_pdiscard(8192, 8192)));
  close();
  open_with("log-append=on");
  EXPECT_EQ(node->limits().request_alignment, 4096u);
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(4096, 2))));
  close();
  EXPECT_EQ(logged(), "write 4096 at 4096, discard 8192 at 8192, flush, write 4096 at 0, flush");
  EXPECT_EQ(replayed(), disk->content());
}

TEST_F(Blklogwrites, GoesOnWithNothingAsWithANewLog) {
  open_with("log-append=on");
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
  close();
  EXPECT_EQ(logged(), "write 512 at 0, flush");
}

TEST_F(Blklogwrites, RefusesToGoOnWithWhatIsNoLog) {
  auto refusal_of = [&](std::size_t at, int value, std::size_t length = 2048) {
    open_with("");
    EXPECT_TRUE(succeeded(write(*node, 0, pattern(512))));
    close();
    std::vector<std::byte> content = log->content();
    content.at(at) = static_cast<std::byte>(value);
    content.resize(length);
    log->set_content(std::move(content));
    return refusal("log-append=on");
  };
  const std::string refused = "The log cannot be appended to: ";
  EXPECT_EQ(refusal_of(0, 1), refused + "it does not begin as a log does");
  EXPECT_EQ(refusal_of(8, 2), refused + "its version is 2");
  EXPECT_EQ(refusal_of(24, 1), refused + "its sectors have 513 bytes");
  EXPECT_EQ(refusal_of(16, 3), refused + "entry 2 of 3 lies beyond its end");
  EXPECT_EQ(refusal_of(527, 0xff), refused + "entry 0 of 2 lies beyond its end");
  EXPECT_EQ(refusal_of(520, 0), refused + "entry 0 of 2 is empty") << "it would be a long search";
  EXPECT_EQ(refusal_of(0, 'r', 100), refused + "it is too short");
}

TEST_F(Blklogwrites, RefusesOptionsThatAreNone) {
  EXPECT_EQ(refusal("log-sector-size=513"), "Invalid log sector size 513");
  EXPECT_EQ(refusal("log-sector-size=256"), "Invalid log sector size 256");
  EXPECT_EQ(refusal("log-sector-size=8M"), "Invalid log sector size 8388608");
  EXPECT_EQ(refusal("log-super-update-interval=0"), "Invalid log superblock update interval 0");
  EXPECT_EQ(refusal("log-append=on,log-sector-size=512"),
            "log-append and log-sector-size are mutually exclusive");
  EXPECT_EQ(
      message_of(graph.open(
          {{"driver", "blklogwrites"}, {"file.driver", "memory"}, {"file.filename", "disk"}}, {})),
      "A block device must be specified for \"log\"");
  EXPECT_TRUE(graph.nodes().empty()) << "the file stayed open";
}

TEST_F(Blklogwrites, AnUnknownOptionDoesNotCostTheLogThatIsThere) {
  log->set_content(std::vector<std::byte>(512, std::byte{1}));
  EXPECT_EQ(refusal("log-sector=512"),
            "Block format 'blklogwrites' does not support the option 'log-sector'");
  EXPECT_EQ(log->content(), std::vector<std::byte>(512, std::byte{1}));
}

TEST_F(Blklogwrites, ALargeSectorIsReadAndWrittenWhole) {
  disk->set_content({});
  open_with("log-sector-size=4M");
  EXPECT_TRUE(succeeded(write(*node, 5, "abc")));
  EXPECT_EQ(read(*node, 4, 5), std::string("\0abc\0", 5));
  close();
  EXPECT_EQ(logged(), "write 4194304 at 0, flush");
}

TEST_F(Blklogwrites, AnotherNodeMayNotWriteTheLog) {
  open_with("");
  auto other = graph.open({{"driver", "blklogwrites"},
                           {"file.driver", "memory"},
                           {"file.filename", "disk"},
                           {"log", node->child("log")->name()}},
                          {});
  EXPECT_EQ(kind_of(other), ErrorKind::busy);
}

TEST_F(Blklogwrites, TheFileCannotBeItsOwnLog) {
  auto file = graph.open({{"driver", "memory"}, {"filename", "disk"}, {"node-name", "both"}}, {});
  ASSERT_TRUE(succeeded(file));
  const auto before = disk->content();
  auto logged = graph.open({{"driver", "blklogwrites"}, {"file", "both"}, {"log", "both"}}, {});
  EXPECT_EQ(kind_of(logged), ErrorKind::busy);
  EXPECT_EQ(disk->content(), before);
}

TEST_F(Blklogwrites, HasTheFileAndTheLogAsChildren) {
  open_with("");
  EXPECT_EQ(node->children(), (std::vector<Node*>{node->file(), node->child("log")}));
}

TEST_F(Blklogwrites, ANodeThatIsReadOnlyLeavesTheLogAlone) {
  open_with("read-only=on");
  EXPECT_EQ(read(*node, 0, 512), zeros(512));
  close();
  EXPECT_TRUE(log->content().empty());
}

TEST_F(Blklogwrites, TellsItsChildTheEvents) {
  open_with("");
  node->debug_event(DebugEvent::l2_load);
  EXPECT_TRUE(disk->events().contains(DebugEvent::l2_load));
}

} // namespace
} // namespace block
