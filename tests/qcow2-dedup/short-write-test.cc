// Writes that fail when a part of them has reached the file.
#include "tests/support/qcow2-disk.h"

namespace qcow2_dedup {
namespace {

using block::Qcow2Disk;

class ShortWrite : public testing::Test {
protected:
  // So many bytes of the next write after the event reach the file.
  void open_with_short_write_after(const std::string& event, std::uint64_t bytes) {
    ASSERT_TRUE(succeeded(disk.close()));
    disk.open({{"file.inject-error.0.event", event},
               {"file.inject-error.0.iotype", "write"},
               {"file.inject-error.0.short", std::to_string(bytes)},
               {"file.inject-error.0.once", "on"}});
    disk.wait_for_index();
  }
  std::string halves(const std::string& first, const std::string& second) {
    return first.substr(0, disk.cluster_bytes() / 2) + second.substr(disk.cluster_bytes() / 2);
  }
  // The cluster of the file that begins so.
  std::optional<std::uint64_t> place_of(const std::string& bytes) {
    const std::vector<std::byte> content = disk.file->content();
    const std::string file(reinterpret_cast<const char*>(content.data()), content.size());
    const std::size_t found = file.find(bytes);
    if (found == std::string::npos) return std::nullopt;
    return found / disk.cluster_bytes();
  }
  void TearDown() override {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }

  Qcow2Disk disk{{.debug = true}};
  const std::string a = disk.pattern(1), b = disk.pattern(2);
};

TEST_F(ShortWrite, InPlaceLeavesNoHashOfTheOldContentNorOfTheNew) {
  disk.write(0, a);
  open_with_short_write_after("write_aio", disk.cluster_bytes() / 2);
  ASSERT_FALSE(disk.try_write(0, b).ok());
  ASSERT_TRUE(disk.holds(0, halves(b, a))) << "the fault was another one";
  disk.write(9, a);
  disk.write(10, b);
  EXPECT_TRUE(disk.holds(9, a + b));
  disk.write(0, b);
  EXPECT_EQ(disk.host_of(0), disk.host_of(10));
}

TEST_F(ShortWrite, ToANewClusterShowsNothingInTheNextOneThere) {
  disk.write(1, b); // its L2 table is there
  open_with_short_write_after("write_aio", disk.cluster_bytes() / 2);
  ASSERT_FALSE(disk.try_write(0, a).ok());
  EXPECT_TRUE(disk.holds(0, disk.zeros()));
  const std::optional<std::uint64_t> host = place_of(a.substr(0, disk.cluster_bytes() / 2));
  ASSERT_TRUE(host) << "the fault was another one";
  disk.write_at(5 * disk.cluster_bytes() + 3, "abc");
  EXPECT_EQ(disk.host_of(5), host);
  EXPECT_TRUE(disk.holds(5, block::zeros(3) + "abc" + block::zeros(disk.cluster_bytes() - 6)));
}

TEST_F(ShortWrite, OfAnL2TableIsDoneAgainByTheNextFlush) {
  for (unsigned i = 0; i < 64; ++i)
    disk.write(i, disk.pattern(i));
  open_with_short_write_after("l2_update", 256); // half of the entries;
  for (unsigned i = 0; i < 64; ++i)
    disk.write(i, disk.pattern(63 - i));
  ASSERT_FALSE(disk.node().co_flush().ok());
  disk.flush();
  disk.cut_power();
  disk.open();
  for (unsigned i = 0; i < 64; ++i)
    EXPECT_TRUE(disk.holds(i, disk.pattern(63 - i)));
}

} // namespace
} // namespace qcow2_dedup
