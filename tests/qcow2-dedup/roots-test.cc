// Two disks in one image: their contents are shared, and neither ever changes the other.
#include "block/qcow2-dedup/write.h"
#include "block/qcow2/create.h"
#include "tests/qcow2/memory-host.h"

#include <random>

namespace qcow2_dedup {
namespace {

using block::pattern;
using block::succeeded;
using qcow2::Disk;

// A root whose record is in memory: the tables are in the file like any other.
class MemoryRoot final : public qcow2::Root {
public:
  using Root::Root;
  Record record(const Metadata&) const override { return record_; }
  Result<void> store(Metadata&, const Record& record) override {
    record_ = record;
    return {};
  }

private:
  Record record_;
};

class TwoRoots : public testing::Test {
protected:
  static constexpr std::size_t cluster = 4096;
  static constexpr std::uint64_t clusters = 64; // of each disk

  static qcow2::Header made_in(block::Node& node) {
    qcow2::Header header;
    header.cluster_bits = 12;
    header.refcount_order = 4;
    header.guest_size = clusters * cluster;
    EXPECT_TRUE(succeeded(qcow2::create_empty(node, header)));
    qcow2::HostFile file(node);
    Result<qcow2::Header> made = qcow2::read_header(file);
    EXPECT_TRUE(succeeded(made));
    return made ? *made : header;
  }
  static dedup::Hasher sha256() { return *dedup::Hasher::create(dedup::HashAlgorithm::sha256); }
  static Extension running() {
    Extension extension;
    extension.set(dedup_running, true);
    return extension;
  }
  template <typename Made>
  qcow2::Root& add() {
    auto metadata = image.lock();
    return metadata->add_root(std::make_unique<Made>(metadata));
  }

  void SetUp() override {
    {
      auto metadata = image.lock();
      ASSERT_TRUE(succeeded(metadata->load_header()));
      ASSERT_TRUE(succeeded(metadata->load_refcounts()));
    }
    for (Disk* disk : {&first, &second})
      ASSERT_TRUE(succeeded(disk->load()));
    ASSERT_TRUE(succeeded(image.lock()->enter_all()));
    ASSERT_TRUE(dedup.load());
    image.set_feature(&dedup);
    ASSERT_TRUE(succeeded(second.grow(clusters * cluster)));
  }

  void write(Disk& disk, std::uint64_t at, const std::string& data) {
    ASSERT_TRUE(succeeded(qcow2_dedup::write(dedup, disk, GuestOffset(at * cluster),
                                             block::IoVector(data.data(), data.size()))));
  }
  static std::string read(Disk& disk, std::uint64_t at, std::size_t bytes = cluster) {
    std::string data(bytes, '?');
    EXPECT_TRUE(succeeded(
        qcow2::read(disk, GuestOffset(at * cluster), block::IoVector(data.data(), data.size()))));
    return data;
  }
  qcow2::L2Entry entry(Disk& disk, std::uint64_t guest) {
    auto metadata = image.lock();
    Result<qcow2::L2Entry> found = disk.mapping(metadata).entry(block::GuestCluster(guest));
    EXPECT_TRUE(succeeded(found));
    return found ? *found : qcow2::L2Entry::zeros();
  }
  HostCluster host_of(Disk& disk, std::uint64_t guest) {
    return image.cluster_size().containing(*entry(disk, guest).host_offset());
  }
  std::uint64_t references(Disk& disk, std::uint64_t guest) {
    const HostCluster named = host_of(disk, guest);
    return *image.lock()->allocator().references(named);
  }
  std::optional<GuestOffset> recorded_owner(Disk& disk, std::uint64_t guest) {
    const HostCluster named = host_of(disk, guest);
    return dedup.table(image.lock()).get(named).first_owner;
  }

  qcow2::MemoryHost host{"two-roots"};
  qcow2::Header header = made_in(*host.node);
  qcow2::HostFile file{*host.node};
  qcow2::Image image{file, header, {.lazy_refcounts = true}};
  Disk first{image, add<qcow2::HeaderRoot>(), *host.node};
  Disk second{image, add<MemoryRoot>(), *host.node};
  Deduplicator dedup{image, first.root, running(), sha256(), {}, true, {}};
};

TEST_F(TwoRoots, ShareTheContentThatTheRecordedRootStored) {
  write(first, 3, pattern(cluster, 1));
  EXPECT_EQ(recorded_owner(first, 3), GuestOffset(3 * cluster));
  write(second, 5, pattern(cluster, 1));
  EXPECT_EQ(entry(second, 5).host_offset(), entry(first, 3).host_offset());
  EXPECT_FALSE(entry(first, 3).copied());
  EXPECT_EQ(references(first, 3), 2u);
  write(first, 3, pattern(cluster, 2));
  EXPECT_EQ(read(second, 5), pattern(cluster, 1));
  write(second, 5, pattern(cluster, 3));
  EXPECT_EQ(read(first, 3), pattern(cluster, 2));
}

// The table cannot record such an owner, so its COPIED cannot be cleared.
TEST_F(TwoRoots, ShareNothingThatMayCarryCopiedInAnotherRoot) {
  write(second, 5, pattern(cluster, 1));
  EXPECT_TRUE(entry(second, 5).copied());
  EXPECT_EQ(recorded_owner(second, 5), std::nullopt);
  write(first, 3, pattern(cluster, 1));
  EXPECT_NE(entry(second, 5).host_offset(), entry(first, 3).host_offset());
  write(second, 5, pattern(cluster, 2));
  EXPECT_EQ(read(first, 3), pattern(cluster, 1));
}

// The same guest cluster in two disks is two owners.
TEST_F(TwoRoots, KeepTheirOwnersApart) {
  write(first, 3, pattern(cluster, 1));
  write(first, 4, pattern(cluster, 1));
  write(second, 3, pattern(cluster, 1));
  write(second, 3, pattern(cluster, 2)); // drops the other owner of that number
  write(first, 3, pattern(cluster, 3));
  write(second, 7, pattern(cluster, 1));
  EXPECT_EQ(entry(second, 7).host_offset(), entry(first, 4).host_offset());
  write(second, 7, pattern(cluster, 4));
  EXPECT_EQ(read(first, 4), pattern(cluster, 1));
}

TEST_F(TwoRoots, NeverChangeEachOther) {
  constexpr unsigned seed = 7;
  std::mt19937 random(seed);
  std::vector<std::vector<unsigned>> model(2, std::vector<unsigned>(clusters, 0));
  Disk* disks[] = {&first, &second};
  for (unsigned step = 1; step <= 4000; ++step) {
    const unsigned which = random() % 2;
    const std::uint64_t at = random() % clusters;
    const unsigned content = 1 + random() % 12;
    write(*disks[which], at, pattern(cluster, content));
    model[which][at] = content;
    if (step % 50 == 0) {
      ASSERT_TRUE(succeeded(image.flush()));
    }
    if (step % 200 != 0) continue;
    for (unsigned disk = 0; disk < 2; ++disk)
      for (std::uint64_t each = 0; each < clusters; ++each) {
        const unsigned held = model[disk][each];
        ASSERT_EQ(read(*disks[disk], each), held ? pattern(cluster, held) : block::zeros(cluster))
            << "seed " << seed << ", step " << step << ", disk " << disk << ", cluster " << each;
      }
  }
  ASSERT_TRUE(succeeded(first.settle_copied_flags()));
  ASSERT_TRUE(succeeded(second.settle_copied_flags()));
  ASSERT_TRUE(succeeded(image.close()));
}

} // namespace
} // namespace qcow2_dedup
