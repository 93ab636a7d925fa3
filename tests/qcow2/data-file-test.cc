// Guest data: pieces that are neighbours in the file become one request.
#include "block/qcow2/data-file.h"
#include "tests/qcow2/memory-host.h"

#include <list>

namespace qcow2 {
namespace {

using block::MemoryOperation;

class DataFileTest : public testing::Test {
protected:
  DataWrite piece(std::uint64_t offset, char content) {
    std::vector<std::byte>& bytes =
        memory.emplace_back(std::vector<std::byte>(512, static_cast<std::byte>(content)));
    return {HostOffset(offset), IoVector(bytes.data(), bytes.size())};
  }
  char at(std::uint64_t offset) const { return static_cast<char>(host.memory->read(offset, 1)[0]); }
  std::uint64_t writes() const { return host.memory->count(MemoryOperation::write); }

  std::list<std::vector<std::byte>> memory;
  MemoryHost host{"data", std::vector<std::byte>(8192)};
  DataFile data{host.file};
};

TEST_F(DataFileTest, NeighboursFormOneRequest) {
  ASSERT_TRUE(succeeded(
      data.write({piece(512, 'a'), piece(1024, 'b'), piece(4096, 'c'), piece(2048, 'd')})));
  EXPECT_EQ(writes(), 3u);
  EXPECT_EQ(at(512), 'a');
  EXPECT_EQ(at(1535), 'b');
  EXPECT_EQ(at(4096), 'c');
  EXPECT_EQ(at(2048), 'd');
}

TEST_F(DataFileTest, NothingIsWrittenAfterARequestThatFailed) {
  host.memory->fail(MemoryOperation::write, 2, EIO);
  EXPECT_EQ(kind_of(data.write({piece(0, 'a'), piece(2048, 'b'), piece(4096, 'c')})),
            block::ErrorKind::io);
  EXPECT_EQ(at(0), 'a');
  EXPECT_EQ(at(4096), '\0');
}

TEST_F(DataFileTest, DataReadsBackAndABarrierMakesItDurable) {
  ASSERT_TRUE(succeeded(data.write({piece(1024, 'a')})));
  std::vector<std::byte> read(512);
  ASSERT_TRUE(succeeded(data.read(HostOffset(1024), std::span(read))));
  EXPECT_EQ(read[511], static_cast<std::byte>('a'));
  const std::uint64_t before = host.memory->count(MemoryOperation::flush);
  ASSERT_TRUE(succeeded(host.file.barrier()));
  EXPECT_EQ(host.memory->count(MemoryOperation::flush), before + 1);
}

} // namespace
} // namespace qcow2
