// The command language of dedup-io, on an image in memory.
#include "block/tools/io/command.h"
#include "tests/support/memory-file.h"

#include <gtest/gtest.h>

namespace tools::io {
namespace {

constexpr std::size_t image_bytes = 1024 * 1024;

class Commands : public testing::Test {
protected:
  Commands() {
    OpenRequest request;
    request.options = {{"driver", "raw"}, {"file.driver", "memory"}, {"file.filename", "image"}};
    block::Result<void> opened = session_.open(std::move(request));
    EXPECT_TRUE(opened.ok()) << opened.error().message();
  }

  // Runs a line; what it printed on stdout is in output_ then.
  bool run(const std::string& line) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    bool succeeded = run_command(session_, line);
    output_ = testing::internal::GetCapturedStdout();
    error_output_ = testing::internal::GetCapturedStderr();
    return succeeded;
  }

  // The first line of the output.
  std::string first_line() const { return output_.substr(0, output_.find('\n')); }

  std::shared_ptr<block::MemoryFile> file_ =
      block::MemoryFile::create("image", std::vector<std::byte>(image_bytes));
  Session session_;
  std::string output_, error_output_;
};

TEST(Words, AreCutAtBlanksOnly) {
  EXPECT_EQ(split_words("  write -P 1\t0 64k \r"), (Words{"write", "-P", "1", "0", "64k"}));
  EXPECT_EQ(split_words("write \"0\""), (Words{"write", "\"0\""}));
  EXPECT_TRUE(split_words(" \t").empty());
}

TEST_F(Commands, WhatIsWrittenWithAPatternIsReadBackWithIt) {
  EXPECT_TRUE(run("write -P 0xab 512 1k"));
  EXPECT_EQ(first_line(), "wrote 1024/1024 bytes at offset 512");
  EXPECT_TRUE(run("read -P 171 512 1k"));
  EXPECT_EQ(first_line(), "read 1024/1024 bytes at offset 512");
  EXPECT_FALSE(run("read -P 0xab 0 1k"));
  EXPECT_EQ(first_line(), "Pattern verification failed at offset 0, 1024 bytes");
  EXPECT_TRUE(run("read -P 0xab -s 512 -l 512 0 1k")) << "only the part that was asked for counts";
}

TEST_F(Commands, FlagsMayBeJoinedAndStandBehindOperands) {
  EXPECT_TRUE(run("w 0 1k -qP7"));
  EXPECT_EQ(output_, "");
  EXPECT_TRUE(run("r -qpP 7 0 1k"));
}

TEST_F(Commands, SeveralLengthsMakeOneVector) {
  EXPECT_TRUE(run("writev -P 3 0 1k 2k 512"));
  EXPECT_EQ(first_line(), "wrote 3584/3584 bytes at offset 0");
  EXPECT_EQ(file_->read(3583, 2), (std::vector<std::byte>{std::byte{3}, std::byte{0}}));
}

TEST_F(Commands, RequestsBeyondTheEndFailWithAnInputOutputError) {
  EXPECT_FALSE(run("write 1M 512"));
  EXPECT_EQ(output_, "write failed: Input/output error\n");
  EXPECT_FALSE(run("readv 1M 512"));
  EXPECT_EQ(output_, "readv failed: Input/output error\n");
}

TEST_F(Commands, FailuresOfTheFileAreReportedByTheirReason) {
  file_->fail(block::MemoryOperation::write, 1, ENOSPC);
  EXPECT_FALSE(run("write 0 512"));
  EXPECT_EQ(output_, "write failed: No space left on device\n");
}

TEST_F(Commands, AioRequestsReportWhenTheyAreWaitedFor) {
  std::mutex gate;
  std::unique_lock closed(gate);
  file_->set_hook([&gate](block::MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation == block::MemoryOperation::write) std::lock_guard wait(gate);
  });
  EXPECT_TRUE(run("aio_write -P 9 0 4k"));
  EXPECT_EQ(output_, "");
  closed.unlock();
  EXPECT_TRUE(run("aio_flush"));
  EXPECT_EQ(first_line(), "wrote 4096/4096 bytes at offset 0");
  EXPECT_TRUE(run("read -P 9 0 4k"));
}

TEST_F(Commands, WritesAreDurableAtOnceWithAWriteThroughCache) {
  ASSERT_TRUE(session_.close());
  OpenRequest request;
  request.options = {{"driver", "raw"}, {"file.driver", "memory"}, {"file.filename", "image"}};
  request.cache.write_through = true;
  ASSERT_TRUE(session_.open(std::move(request)).ok());
  EXPECT_TRUE(run("write -P 5 0 512"));
  EXPECT_EQ(file_->durable_content()[0], std::byte{5});
}

TEST_F(Commands, NonsenseIsRefusedInWords) {
  EXPECT_FALSE(run("fly 0 1k"));
  EXPECT_EQ(error_output_, "command \"fly\" not found\n");
  EXPECT_FALSE(run("write 0"));
  EXPECT_EQ(error_output_, "bad argument count 1 to write, expected at least 2 arguments\n");
  EXPECT_FALSE(run("alloc"));
  EXPECT_EQ(error_output_, "bad argument count 0 to alloc, expected between 1 and 2 arguments\n");
  EXPECT_FALSE(run("read 0 1x"));
  EXPECT_EQ(output_,
            "Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- 1x\n");
  EXPECT_FALSE(run("write -u 0 1k"));
  EXPECT_EQ(output_, "-u requires -z to be specified\n");
  EXPECT_FALSE(run("write -c 0 64k"));
  EXPECT_TRUE(run("")) << "an empty line is no command";
}

TEST_F(Commands, NothingButOpenWorksWithoutAnImage) {
  EXPECT_TRUE(run("close"));
  EXPECT_FALSE(run("read 0 1k"));
  EXPECT_EQ(error_output_, "no file open, try 'help open'\n");
  EXPECT_TRUE(run("open -r -o driver=raw,file.driver=memory,file.filename=image"));
  EXPECT_FALSE(run("write 0 1k")) << "the image is open read-only";
  EXPECT_TRUE(run("length"));
  EXPECT_EQ(output_, "1 MiB\n");
}

TEST_F(Commands, EveryCommandHasAUsageLine) {
  EXPECT_TRUE(run("help"));
  for (const Command* command : all_commands())
    EXPECT_NE(output_.find(std::string(command->name) + " "), std::string::npos) << command->name;
}

} // namespace
} // namespace tools::io
