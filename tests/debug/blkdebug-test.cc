// blkdebug: which requests its rules fail or delay, and what it refuses.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <cerrno>
#include <chrono>
#include <thread>

namespace block {
namespace {

class Blkdebug : public testing::Test {
protected:
  std::shared_ptr<MemoryFile> memory =
      MemoryFile::create("disk", std::vector<std::byte>(64 * 1024));
  TemporaryDirectory directory;
  Graph graph;
  std::shared_ptr<Node> node;

  static Options over_memory(const std::string& text) {
    Options options = *Options::parse(text);
    options.set("driver", "blkdebug");
    options.set("image.driver", "memory");
    options.set("image.filename", "disk");
    return options;
  }
  void open_with(const std::string& text) { ASSERT_TRUE(node = open(graph, over_memory(text))); }
  void open_with_config(const std::string& text) {
    directory.make("rules", text);
    open_with("config=" + directory.file("rules"));
  }
  std::string refusal(const std::string& text) {
    return message_of(graph.open(over_memory(text), {}));
  }
  std::string refusal_of_config(const std::string& text) {
    directory.make("rules", text);
    std::string message = refusal("config=" + directory.file("rules"));
    const std::string name = "blkdebug config file '" + directory.file("rules") + "': ";
    return message.starts_with(name) ? message.substr(name.size()) : "without name: " + message;
  }

  // 0, or the errno value of the request.
  static int outcome(const Result<void>& done) { return done ? 0 : done.error().errno_value(); }
  int write_at(std::uint64_t offset) { return outcome(write(*node, offset, pattern(512))); }
  int read_at(std::uint64_t offset) {
    std::string data(512, '?');
    return outcome(node->co_readv(offset, IoVector(data.data(), data.size())));
  }
  int zero_at(std::uint64_t offset) { return outcome(node->co_pwrite_zeroes(offset, 512)); }
  int discard_at(std::uint64_t offset) { return outcome(node->co_pdiscard(offset, 512)); }
  int flush() { return outcome(node->co_flush()); }
  int status_at(std::uint64_t offset) {
    Result<BlockStatus> status = node->co_block_status(offset, 512);
    return status ? 0 : status.error().errno_value();
  }
};

TEST_F(Blkdebug, WithoutRulesPassesEverything) {
  open_with("");
  EXPECT_EQ(write_at(512) + read_at(0) + zero_at(0) + discard_at(0) + flush() + status_at(0), 0);
  EXPECT_EQ(read(*node, 512, 512), pattern(512));
  EXPECT_EQ(memory->count(MemoryOperation::discard), 1u);
  EXPECT_EQ(memory->count(MemoryOperation::flush), 1u);
}

TEST_F(Blkdebug, ARuleWithoutMoreFailsEveryRequestButTheQuestionWhatLiesWhere) {
  open_with("inject-error.0.event=none");
  for (int done : {write_at(0), read_at(0), zero_at(0), discard_at(0), flush()})
    EXPECT_EQ(done, EIO);
  EXPECT_EQ(status_at(0), 0);
  EXPECT_EQ(memory->count(MemoryOperation::write), 0u) << "it reached the file";
}

TEST_F(Blkdebug, ItsOwnEventsBelongToTheirRequests) {
  open_with("inject-error.0.event=pwritev,inject-error.0.errno=2,"
            "inject-error.1.event=pwritev_zero,inject-error.1.errno=3,"
            "inject-error.2.event=flush_to_disk,inject-error.2.errno=4,"
            "inject-error.3.event=pwritev,inject-error.3.errno=5"); // the first rule counts
  EXPECT_EQ(read_at(0), 0);
  EXPECT_EQ(write_at(0), 2);
  EXPECT_EQ(zero_at(0), 3);
  EXPECT_EQ(flush(), 4);
  EXPECT_EQ(discard_at(0), 0);
}

TEST_F(Blkdebug, AnEventFailsTheNextRequestThatFitsTheRule) {
  open_with("inject-error.0.event=l2_load,inject-error.0.iotype=read,inject-error.0.sector=3");
  EXPECT_EQ(read_at(1536), 0) << "the event has not happened";
  node->debug_event(DebugEvent::refblock_load);
  EXPECT_EQ(read_at(1536), 0) << "another event";
  node->debug_event(DebugEvent::l2_load);
  EXPECT_EQ(write_at(1536), 0) << "another type";
  EXPECT_EQ(read_at(0), 0) << "another place";
  EXPECT_EQ(read_at(1536), EIO);
  EXPECT_EQ(read_at(1536), 0) << "one for each time";
  node->debug_event(DebugEvent::l2_load);
  EXPECT_EQ(read_at(1536), EIO);
}

TEST_F(Blkdebug, AnEventIsAboutTheRequestsOfItsThread) {
  open_with("inject-error.0.event=write_aio,inject-error.0.once=on");
  node->debug_event(DebugEvent::write_aio);
  std::thread([&] { EXPECT_EQ(write_at(0), 0); }).join();
  std::thread([&] {
    node->debug_event(DebugEvent::write_aio);
    EXPECT_EQ(write_at(0), EIO);
  }).join();
  EXPECT_EQ(write_at(0), 0) << "once is once, whoever else waited";
  node->debug_event(DebugEvent::write_aio);
  EXPECT_EQ(write_at(0), 0);
}

TEST_F(Blkdebug, RulesOfALaterEventTakeThePlaceOfThoseThatWait) {
  open_with("inject-error.0.event=cluster_alloc,inject-error.0.errno=1,"
            "inject-error.1.event=write_aio,inject-error.1.errno=28");
  node->debug_event(DebugEvent::cluster_alloc);
  node->debug_event(DebugEvent::l2_load); // no rule is about it
  node->debug_event(DebugEvent::write_aio);
  EXPECT_EQ(write_at(0), ENOSPC);
  EXPECT_EQ(write_at(0), 0);
}

TEST_F(Blkdebug, TheStateCountsInTheMomentOfTheEvent) {
  open_with("set-state.0.event=l2_load,set-state.0.state=1,set-state.0.new_state=2,"
            "set-state.1.event=cluster_free,set-state.1.new_state=1,"
            "inject-error.0.event=l2_load,inject-error.0.state=2");
  node->debug_event(DebugEvent::l2_load);
  EXPECT_EQ(read_at(0), 0);
  node->debug_event(DebugEvent::l2_load);
  node->debug_event(DebugEvent::cluster_free);
  EXPECT_EQ(read_at(0), EIO);
  node->debug_event(DebugEvent::l2_load);
  EXPECT_EQ(read_at(0), 0);
}

TEST_F(Blkdebug, ADelayByEventComesOnce) {
  using Clock = std::chrono::steady_clock;
  open_with("inject-delay.0.event=write_aio,inject-delay.0.milliseconds=80");
  node->debug_event(DebugEvent::write_aio);
  const auto begin = Clock::now();
  EXPECT_EQ(write_at(0), 0);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(80));
}

TEST_F(Blkdebug, RawTellsItsReadsAndWritesAndPassesEventsOn) {
  const Options below = over_memory("inject-error.0.event=read_aio,inject-error.0.errno=1,"
                                    "inject-error.1.event=write_aio,inject-error.1.errno=2,"
                                    "inject-error.2.event=l2_load,inject-error.2.errno=3");
  Options options = {{"driver", "raw"}};
  for (const auto& [key, value] : below.entries())
    options.set("file." + key, value);
  ASSERT_TRUE(node = open(graph, options));
  EXPECT_EQ(read_at(0), 1);
  EXPECT_EQ(write_at(0), 2);
  EXPECT_EQ(flush(), 0);
  node->debug_event(DebugEvent::l2_load);
  EXPECT_EQ(flush(), 3);
}

TEST_F(Blkdebug, TheTypeOfRequestChooses) {
  const std::vector<std::string> types = {"read",    "write", "write-zeroes",
                                          "discard", "flush", "block-status"};
  for (std::size_t i = 0; i < types.size(); ++i) {
    open_with("inject-error.0.iotype=" + types[i] + ",inject-error.0.errno=28");
    const int done[] = {read_at(0), write_at(0), zero_at(0), discard_at(0), flush(), status_at(0)};
    for (std::size_t j = 0; j < types.size(); ++j)
      EXPECT_EQ(done[j], i == j ? ENOSPC : 0) << types[i] << ", " << types[j];
    (void)graph.close_all().ok(); // where flushing fails, closing does
  }
}

TEST_F(Blkdebug, ASectorFailsOnlyWhatTouchesIt) {
  open_with("inject-error.0.sector=3");
  EXPECT_EQ(read_at(1024), 0);
  EXPECT_EQ(read_at(1025), EIO);
  EXPECT_EQ(write_at(1536), EIO);
  EXPECT_EQ(write_at(2047), EIO);
  EXPECT_EQ(write_at(2048), 0);
  EXPECT_EQ(flush(), 0);
}

TEST_F(Blkdebug, SectorsAreARange) {
  open_with("inject-error.0.sector=3,inject-error.0.sectors=2");
  EXPECT_EQ(write_at(1024), 0);
  EXPECT_EQ(write_at(1536), EIO);
  EXPECT_EQ(write_at(2048), EIO);
  EXPECT_EQ(write_at(2560), 0);
}

TEST_F(Blkdebug, AShortRequestIsDoneInPart) {
  open_with("inject-error.0.iotype=write,inject-error.0.errno=28,inject-error.0.short=100,"
            "inject-error.1.iotype=read,inject-error.1.short=1000,inject-error.1.once=on");
  EXPECT_EQ(write_at(0), ENOSPC);
  std::string data(512, '?');
  EXPECT_EQ(outcome(node->co_readv(0, IoVector(data.data(), data.size()))), EIO);
  EXPECT_EQ(data, pattern(512).substr(0, 100) + zeros(412)) << "no more than the request has";
  EXPECT_EQ(read(*node, 0, 512), data);
}

TEST_F(Blkdebug, OnceIsOnce) {
  open_with("inject-error.0.event=pwritev,inject-error.0.once=on,inject-error.0.immediately=on,"
            "inject-error.7.event=pwritev,inject-error.7.once=on,inject-error.7.errno=28");
  EXPECT_EQ(write_at(0), EIO);
  EXPECT_EQ(write_at(0), ENOSPC);
  EXPECT_EQ(write_at(0), 0);
}

TEST_F(Blkdebug, StatesTellTheNthRequest) {
  open_with("set-state.0.event=pwritev,set-state.0.state=1,set-state.0.new_state=2,"
            "set-state.1.event=pwritev,set-state.1.state=2,set-state.1.new_state=3,"
            "set-state.2.event=flush_to_disk,set-state.2.new_state=1,"
            "inject-error.0.state=3,inject-error.0.event=pwritev");
  EXPECT_EQ(write_at(0), 0);
  EXPECT_EQ(write_at(0), 0);
  EXPECT_EQ(write_at(0), EIO);
  EXPECT_EQ(write_at(0), EIO);
  EXPECT_EQ(read_at(0), 0);
  EXPECT_EQ(flush(), 0);
  EXPECT_EQ(write_at(0), 0);
}

TEST_F(Blkdebug, ADelayMakesRequestsSlow) {
  using Clock = std::chrono::steady_clock;
  open_with("inject-delay.0.iotype=write,inject-delay.0.milliseconds=80");
  const auto begin = Clock::now();
  EXPECT_EQ(write_at(0), 0);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(80));
}

TEST_F(Blkdebug, LimitsReachTheNodeLayer) {
  memory->set_content(std::vector<std::byte>(1000));
  open_with("align=512,max-transfer=1024");
  EXPECT_TRUE(succeeded(write(*node, 100, pattern(800))));
  EXPECT_EQ(read(*node, 100, 800), pattern(800));
  EXPECT_EQ(node->co_block_status(0, 1000)->bytes, 1000u);
  EXPECT_EQ(node->limits().request_alignment, 512u);
  EXPECT_EQ(node->limits().max_transfer, 1024u);
}

TEST_F(Blkdebug, AConfigFileHasASectionForEachRule) {
  open_with_config("# the third write fails\n"
                   "[set-state]\n event = \"pwritev\"\nstate=1\nnew_state = \"2\"\n\n"
                   "[set-state]\nevent=pwritev\nstate=2\nnew_state=3\r\n"
                   "[inject-error]\nevent = \"pwritev\"\nstate = \"3\"\nerrno = \"28\"\n"
                   "[inject-error]\niotype = \"flush\"\nonce = \"on\"\n");
  EXPECT_EQ(flush(), EIO);
  EXPECT_EQ(flush(), 0);
  EXPECT_EQ(write_at(0) + write_at(0), 0);
  EXPECT_EQ(write_at(0), ENOSPC);
}

TEST_F(Blkdebug, AFileNameSaysConfigAndImage) {
  directory.make("rules", "[inject-error]\niotype=read\n");
  node = open(graph, {{"driver", "blkdebug"},
                      {"filename", "blkdebug:" + directory.file("rules") + ":memory:disk"}});
  ASSERT_TRUE(node);
  EXPECT_EQ(read_at(0), EIO);
  node = open(graph, {{"driver", "blkdebug"}, {"filename", "blkdebug::memory:disk"}});
  ASSERT_TRUE(node);
  EXPECT_EQ(read_at(0), 0);
  for (const char* name : {"blkdebug:", "blkdebug:x", "blkdebug::", "disk"})
    EXPECT_EQ(message_of(graph.open({{"driver", "blkdebug"}, {"filename", name}}, {})),
              "'" + std::string(name) + "' is not of the form blkdebug:CONFIG:IMAGE");
}

TEST_F(Blkdebug, AnImageIsMadeThroughIt) {
  const std::string rules = directory.file("rules");
  directory.make("rules", "[inject-error]\nevent=flush_to_disk\nerrno=28\nonce=on\n");
  EXPECT_EQ(message_of(create_image("raw", "blkdebug:" + rules + ":memory:disk", {{"size", "4k"}})),
            "error injected by blkdebug: No space left on device");
  EXPECT_TRUE(succeeded(create_image("raw", "blkdebug::memory:disk", {{"size", "4k"}})));
  EXPECT_EQ(memory->length(), 4096u);
}

TEST_F(Blkdebug, WhatCannotBeIsRefusedByName) {
  EXPECT_TRUE(refusal("inject-error.0.event=l2_lode")
                  .starts_with("inject-error.0: blkdebug does not know the event 'l2_lode', only "
                               "none, read_aio, read_backing_aio, write_aio, "));
  EXPECT_EQ(refusal("inject-error.2.iotype=seek"),
            "inject-error.2: blkdebug does not know the iotype 'seek', only read, write, "
            "write-zeroes, discard, flush, block-status");
  EXPECT_EQ(refusal("inject-error.0.sector=1,inject-error.0.sectors=0"),
            "inject-error.0: Parameter 'sectors' is 0, not within 1 and 18014398509481983");
  EXPECT_EQ(
      refusal("inject-error.0.sectors=2"),
      "inject-error.0: An inject-error rule of blkdebug does not support the option 'sectors'");
  EXPECT_EQ(refusal("inject-error.0.errno=0"),
            "inject-error.0: Parameter 'errno' is 0, not within 1 and 4095");
  EXPECT_EQ(
      refusal("inject-error.0.colour=red"),
      "inject-error.0: An inject-error rule of blkdebug does not support the option 'colour'");
  EXPECT_EQ(refusal("inject-error.x.errno=5"),
            "Parameter 'inject-error.x.errno' does not name a rule by its number");
  EXPECT_EQ(refusal("inject-delay.0.milliseconds=60001"),
            "inject-delay.0: Parameter 'milliseconds' is 60001, not within 1 and 60000");
  EXPECT_EQ(refusal("inject-delay.0.iotype=read"),
            "inject-delay.0: An inject-delay rule of blkdebug needs parameter 'milliseconds'");
  EXPECT_EQ(refusal("set-state.0.event=write_aio"),
            "set-state.0: A set-state rule of blkdebug needs parameter 'new_state'");
  EXPECT_EQ(refusal("align=0"), "Parameter 'align' is not an alignment");
  EXPECT_EQ(refusal("align=3"), "Unusable request alignment of 3 bytes");
  EXPECT_EQ(message_of(graph.open({{"driver", "blkdebug"}}, {})),
            "A block device must be specified for \"image\"");
  EXPECT_TRUE(graph.nodes().empty());
}

TEST_F(Blkdebug, AConfigFileThatIsNoneIsRefused) {
  EXPECT_EQ(refusal("config=" + directory.file("absent")),
            "blkdebug config file '" + directory.file("absent") +
                "': Could not open: No such file or directory");
  EXPECT_EQ(refusal("config=/dev/zero"), "blkdebug config file '/dev/zero': it is not a file");
  EXPECT_EQ(refusal_of_config("event=read_aio\n"), "it does not begin with a section");
  EXPECT_EQ(refusal_of_config("[inject-errors]\n"), "there is no section 'inject-errors'");
  EXPECT_EQ(refusal_of_config("[inject-error]\nevent=l1_updaet\n").substr(0, 60),
            "inject-error.0: blkdebug does not know the event 'l1_updaet'");
  EXPECT_NE(refusal_of_config("[inject-error]\nnonsense\n").find("nonsense"), std::string::npos);
  EXPECT_EQ(refusal_of_config(std::string(2 * 1024 * 1024, '\n')), "it is longer than a megabyte");
}

} // namespace
} // namespace block
