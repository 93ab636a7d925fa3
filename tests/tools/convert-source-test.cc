// The source of a conversion: several images, and damaged ones.
#include "block/tools/img/convert-source.h"

#include "block/tools/img/salvage-source.h"
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

namespace tools::img {
namespace {

using block::MemoryFile;
using block::MemoryOperation;
using block::succeeded;
using Kind = block::CopySource::Kind;

class ConvertSourceTest : public testing::Test {
protected:
  void append(const MemoryFile& file) {
    node_ = block::open(graph_, {{"driver", "raw"},
                                 {"read-only", "on"},
                                 {"file.driver", "memory"},
                                 {"file.filename", file.name()}});
    ASSERT_TRUE(succeeded(source.append(*node_)));
  }
  // `whole`: source, or one over it.
  static std::string read(const block::CopySource& whole, std::uint64_t offset, std::size_t bytes) {
    std::string data(bytes, '?');
    EXPECT_TRUE(succeeded(whole.read(offset, std::as_writable_bytes(std::span(data)))));
    return data;
  }
  static std::shared_ptr<MemoryFile> file(const std::string& name, std::size_t bytes, char fill) {
    return MemoryFile::create(name, std::vector<std::byte>(bytes, static_cast<std::byte>(fill)));
  }

  block::Graph graph_;
  ConvertSource source{false};

private:
  std::shared_ptr<block::Node> node_;
};

TEST_F(ConvertSourceTest, InputsFollowEachOtherAtWholeSectors) {
  auto first = file("first", 700, 'a'), second = file("second", 512, 'b');
  append(*first);
  append(*second);
  EXPECT_EQ(source.length(), 1024u + 512);
  auto run = source.run_at(0, 4096);
  ASSERT_TRUE(succeeded(run));
  EXPECT_EQ(run->kind, Kind::data);
  EXPECT_EQ(run->bytes, 700u);
  run = source.run_at(700, 4096);
  ASSERT_TRUE(succeeded(run));
  EXPECT_EQ(run->kind, Kind::zero);
  EXPECT_EQ(run->bytes, 324u);
  EXPECT_EQ(read(source, 10, 690), std::string(690, 'a'));
  EXPECT_EQ(read(source, 1024, 512), std::string(512, 'b'));
}

TEST_F(ConvertSourceTest, ASalvageReadsEachSectorOnItsOwn) {
  auto damaged = file("damaged", 2048, 'a');
  append(*damaged);
  damaged->fail_reads_of(1030);
  std::string data(2048, '?');
  EXPECT_FALSE(source.read(0, std::as_writable_bytes(std::span(data))));
  testing::internal::CaptureStderr();
  EXPECT_EQ(read(SalvageSource(source), 0, 2048),
            std::string(1024, 'a') + std::string(512, '\0') + std::string(512, 'a'));
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "error while reading offset 1024: Input/output error"),
            std::string::npos);
  damaged->heal();
  EXPECT_EQ(read(SalvageSource(source), 0, 2048), std::string(2048, 'a'));
}

// A source that knows nothing of itself.
class Unknown final : public block::CopySource {
public:
  std::uint64_t length() const override { return 8 * 1024 * 1024; }
  block::Result<Run> run_at(std::uint64_t, std::uint64_t) const override {
    return block::Error::from_errno(EIO, "status");
  }
  block::Result<void> read(std::uint64_t, std::span<std::byte>) const override { return {}; }
};

TEST(SalvageSource, TakesWhatHasNoStatusForData) {
  const Unknown unknown;
  const SalvageSource salvaged(unknown);
  EXPECT_EQ(salvaged.length(), unknown.length());
  auto run = salvaged.run_at(0, 8 * 1024 * 1024);
  ASSERT_TRUE(succeeded(run));
  EXPECT_EQ(run->kind, Kind::data);
  EXPECT_EQ(run->bytes, 2u * 1024 * 1024);
  run = salvaged.run_at(0, 512);
  ASSERT_TRUE(succeeded(run));
  EXPECT_EQ(run->bytes, 512u);
}

} // namespace
} // namespace tools::img
