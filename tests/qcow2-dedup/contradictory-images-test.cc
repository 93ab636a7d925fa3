// Images that are well formed field by field and contradict themselves: cycles, overlaps, huge
// counts, refcounts that lie, a dedup table that lies where something else is. Each gets an error
// or a repair, soon and within little memory; what a repair calls sound is sound.
#include "tests/support/image-walk.h"
#include "tests/support/qcow2-disk.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"

#include <algorithm>
#include <functional>
#include <sys/resource.h>

namespace qcow2_dedup {
namespace {

using block::Qcow2Disk;

// The image under damage: where its metadata lies, by host cluster, and verbs that change it.
class Victim {
public:
  // With the digest of the damaged tables, or their former one would show most of the damage.
  explicit Victim(Qcow2Disk& disk) : Victim(disk, Digest::forged) {}
  enum class Digest { kept, forged };
  Victim(Qcow2Disk& disk, Digest digest)
      : disk_(disk), header_(disk.header()), forges_(digest == Digest::forged) {
    cluster = disk.cluster_bytes();
    l1 = header_.l1_offset.value();
    l2 = disk.file64(l1) & qcow2::offset_mask;
    data = disk.file64(l2) & qcow2::offset_mask;
    refcount_table = header_.refcount_table_offset.value();
    refcount_block = disk.file64(refcount_table);
    dedup_table = disk.extension().table_offset.value();
    hash_block = disk.file64(dedup_table);
  }

  void set64(std::uint64_t at, std::uint64_t value) {
    disk_.set_file64(at, value);
    if (forges_) disk_.record_tables_digest();
  }
  void set32(std::uint64_t at, std::uint32_t value) {
    std::uint64_t rest = disk_.file64(at) & 0xffffffff;
    set64(at, std::uint64_t{value} << 32 | rest);
  }
  std::uint64_t get64(std::uint64_t at) const { return disk_.file64(at); }
  // A refcount of 16 bits.
  void set_refcount(std::uint64_t host_offset, std::uint16_t count) {
    std::uint64_t at = refcount_block + host_offset / cluster * 2;
    unsigned shift = 48 - at % 8 * 8;
    std::uint64_t word = get64(at / 8 * 8) & ~(std::uint64_t{0xffff} << shift);
    set64(at / 8 * 8, word | std::uint64_t{count} << shift);
  }
  void resize(std::uint64_t bytes) {
    std::vector<std::byte> content = disk_.file->content();
    content.resize(bytes);
    disk_.file->set_content(std::move(content));
    if (forges_) disk_.record_tables_digest();
  }
  std::uint64_t end() const { return disk_.file->content().size(); }

  std::uint64_t cluster, l1, l2, data, refcount_table, refcount_block, dedup_table, hash_block;
  static constexpr std::uint64_t extension = 112 + 8; // the header's first: its data

private:
  Qcow2Disk& disk_;
  const qcow2::Header header_;
  const bool forges_;
};

// What opening for writing says, then what check -r all says: "refused" or "used"; "error" (it
// could not be examined or repaired), "left" (some corruption stays) or "clean".
struct Case {
  const char* name;
  std::function<void(Victim&)> damage;
  const char* outcome;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

constexpr std::uint64_t copied = qcow2::copied_flag;

const Case cases[] = {
    // --- Cycles ---
    {"l1_names_itself", [](Victim& v) { v.set64(v.l1, v.l1 | copied); }, "refused, clean"},
    {"l1_names_the_refcount_table", [](Victim& v) { v.set64(v.l1, v.refcount_table | copied); },
     "refused, clean"},
    {"l1_names_a_refcount_block", [](Victim& v) { v.set64(v.l1, v.refcount_block | copied); },
     "refused, left"},
    {"l1_names_the_dedup_table", [](Victim& v) { v.set64(v.l1, v.dedup_table | copied); },
     "used, clean"},
    {"l1_names_one_table_twice", [](Victim& v) { v.set64(v.l1 + 8, v.l2 | copied); },
     "refused, clean"},
    {"l2_names_itself", [](Victim& v) { v.set64(v.l2, v.l2 | copied); }, "used, clean"},
    {"refcount_table_names_itself", [](Victim& v) { v.set64(v.refcount_table, v.refcount_table); },
     "refused, clean"},
    {"refcount_table_names_one_block_twice",
     [](Victim& v) { v.set64(v.refcount_table + 8, v.refcount_block); }, "refused, clean"},
    // --- Overlaps ---
    {"one_cluster_of_two_owners_with_copied", [](Victim& v) { v.set64(v.l2 + 8, v.data | copied); },
     "used, clean"},
    {"zero_entry_keeps_an_l2_table", [](Victim& v) { v.set64(v.l2 + 40, v.l2 | 1); },
     "used, clean"},
    {"data_in_the_l1_table", [](Victim& v) { v.set64(v.l2, v.l1 | copied); }, "used, clean"},
    {"data_in_the_refcount_table", [](Victim& v) { v.set64(v.l2, v.refcount_table | copied); },
     "used, clean"},
    {"data_in_a_refcount_block", [](Victim& v) { v.set64(v.l2, v.refcount_block | copied); },
     "used, clean"},
    {"data_in_the_dedup_table", [](Victim& v) { v.set64(v.l2, v.dedup_table | copied); },
     "used, clean"},
    {"data_in_a_hash_block", [](Victim& v) { v.set64(v.l2, v.hash_block | copied); },
     "used, clean"},
    {"compressed_data_in_the_l1_table",
     [](Victim& v) { v.set64(v.l2, v.l1 | qcow2::compressed_flag); }, "used, clean"},
    {"l1_table_over_the_refcount_table", [](Victim& v) { v.set64(40, v.refcount_table); },
     "refused, left"},
    {"refcount_table_over_the_l1_table", [](Victim& v) { v.set64(48, v.l1); }, "refused, clean"},
    {"refcount_block_over_data", [](Victim& v) { v.set64(v.refcount_table, v.data); },
     "used, clean"},
    {"refcount_block_over_the_l1_table", [](Victim& v) { v.set64(v.refcount_table, v.l1); },
     "refused, clean"},
    // --- Huge counts ---
    {"l1_of_2_32_entries", [](Victim& v) { v.set32(36, 0xffffffff); }, "refused, error"},
    {"l1_of_32_mib",
     [](Victim& v) {
       v.set32(36, 4 << 20);
       v.resize(v.l1 + (32 << 20));
     },
     "refused, left"},
    {"refcount_table_of_2_32_clusters", [](Victim& v) { v.set32(56, 0xffffffff); },
     "refused, error"},
    {"refcount_table_of_8_mib",
     [](Victim& v) {
       v.set32(56, 2048);
       v.resize(12 << 20);
     },
     "refused, clean"},
    {"snapshots_without_number", [](Victim& v) { v.set32(60, 0xffffffff); }, "refused, error"},
    {"header_of_4_gib", [](Victim& v) { v.set32(100, 0xffffffff); }, "refused, error"},
    {"extension_of_4_gib", [](Victim& v) { v.set32(116, 0xffffffff); }, "refused, error"},
    {"backing_name_of_4_gib",
     [](Victim& v) {
       v.set64(8, 512);
       v.set32(16, 0xffffffff);
     },
     "refused, error"},
    {"backing_name_at_2_63",
     [](Victim& v) {
       v.set64(8, qcow2::bit(63));
       v.set32(16, 16);
     },
     "refused, error"},
    {"disk_of_2_63_bytes", [](Victim& v) { v.set64(24, qcow2::bit(63)); }, "refused, error"},
    {"disk_of_2_64_bytes", [](Victim& v) { v.set64(24, UINT64_MAX); }, "refused, error"},
    {"clusters_of_256_bytes", [](Victim& v) { v.set32(20, 8); }, "refused, error"},
    {"clusters_of_512_bytes", [](Victim& v) { v.set32(20, 9); }, "refused, error"},
    {"clusters_of_2_mib", [](Victim& v) { v.set32(20, 21); }, "refused, error"},
    {"clusters_of_4_mib", [](Victim& v) { v.set32(20, 22); }, "refused, error"},
    {"clusters_of_2_63_bytes", [](Victim& v) { v.set32(20, 63); }, "refused, error"},
    {"refcounts_of_1_bit", [](Victim& v) { v.set32(96, 0); }, "used, left"},
    {"refcounts_of_64_bits", [](Victim& v) { v.set32(96, 6); }, "used, clean"},
    {"refcounts_of_128_bits", [](Victim& v) { v.set32(96, 7); }, "refused, error"},
    // --- Refcounts that lie ---
    {"data_counted_as_free", [](Victim& v) { v.set_refcount(v.data, 0); }, "used, clean"},
    {"data_counted_too_often", [](Victim& v) { v.set_refcount(v.data, 0xffff); }, "used, clean"},
    {"l1_table_counted_as_free", [](Victim& v) { v.set_refcount(v.l1, 0); }, "used, clean"},
    {"l2_table_counted_as_free", [](Victim& v) { v.set_refcount(v.l2, 0); }, "used, clean"},
    {"header_counted_as_free", [](Victim& v) { v.set_refcount(0, 0); }, "used, clean"},
    {"refcount_block_counted_as_free", [](Victim& v) { v.set_refcount(v.refcount_block, 0); },
     "used, clean"},
    {"dedup_table_counted_as_free", [](Victim& v) { v.set_refcount(v.dedup_table, 0); },
     "used, clean"},
    {"no_refcount_block", [](Victim& v) { v.set64(v.refcount_table, 0); }, "used, clean"},
};

// --- A dedup table in the wrong place ---
const Case wrong_tables[] = {
    {"dedup_table_at_offset_0", [](Victim& v) { v.set64(v.extension, 0); }, "refused, clean"},
    {"dedup_table_over_the_l1_table", [](Victim& v) { v.set64(v.extension, v.l1); }, "used, clean"},
    {"dedup_table_over_an_l2_table", [](Victim& v) { v.set64(v.extension, v.l2); }, "used, clean"},
    {"dedup_table_over_the_refcount_table",
     [](Victim& v) { v.set64(v.extension, v.refcount_table); }, "used, clean"},
    {"dedup_table_over_a_refcount_block", [](Victim& v) { v.set64(v.extension, v.refcount_block); },
     "used, clean"},
    {"dedup_table_over_data", [](Victim& v) { v.set64(v.extension, v.data); }, "used, clean"},
    {"dedup_table_over_a_hash_block", [](Victim& v) { v.set64(v.extension, v.hash_block); },
     "used, clean"},
    {"dedup_table_beyond_the_end", [](Victim& v) { v.set64(v.extension, qcow2::bit(40)); },
     "used, clean"},
    {"dedup_table_beyond_2_56", [](Victim& v) { v.set64(v.extension, qcow2::bit(62)); },
     "refused, clean"},
    {"dedup_table_of_2_32_entries", [](Victim& v) { v.set32(v.extension + 8, 0xffffffff); },
     "refused, error"},
    {"dedup_table_of_32_mib", [](Victim& v) { v.set32(v.extension + 8, max_table_entries); },
     "used, clean"},
    {"dedup_table_of_32_mib_in_the_file",
     [](Victim& v) {
       v.set32(v.extension + 8, max_table_entries);
       v.resize(v.dedup_table + (33 << 20));
     },
     "used, clean"},
    {"hash_block_over_the_header", [](Victim& v) { v.set64(v.dedup_table, 512); }, "used, clean"},
    {"hash_block_over_its_table", [](Victim& v) { v.set64(v.dedup_table, v.dedup_table); },
     "used, clean"},
    {"hash_block_over_the_l1_table", [](Victim& v) { v.set64(v.dedup_table, v.l1); },
     "used, clean"},
    {"hash_block_over_data", [](Victim& v) { v.set64(v.dedup_table, v.data); }, "used, clean"},
    {"hash_block_beyond_the_end", [](Victim& v) { v.set64(v.dedup_table, qcow2::bit(40)); },
     "used, clean"},
    {"one_hash_block_named_twice", [](Victim& v) { v.set64(v.dedup_table + 8, v.hash_block); },
     "used, clean"},
};

class ContradictoryImage : public testing::TestWithParam<Case> {
protected:
  ContradictoryImage() {
    disk.write(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(1));
    disk.write(600, disk.pattern(3));
    EXPECT_TRUE(succeeded(disk.close()));
    // As on a disk that is almost full: what lies far away cannot be written.
    disk.file->set_capacity(disk.file->content().size() + (48 << 20));
  }

  static block::DiskShape shape() {
    block::DiskShape shape;
    shape.guest_clusters = 1024; // two L2 tables
    return shape;
  }

  // Does what users do; what may fail says why.
  void use() {
    for (std::uint64_t cluster : {0, 1, 5, 600})
      (void)disk.read(cluster);
    for (std::uint64_t cluster : {0, 1, 5, 300, 700, 1023}) {
      block::Result<void> written = disk.try_write(cluster, disk.pattern(1 + cluster % 3));
      if (!written) {
        EXPECT_NE(written.error().message(), "");
      }
    }
    (void)disk.node().co_pdiscard(disk.cluster_bytes(), 2 * disk.cluster_bytes()).ok();
    (void)disk.node().co_flush().ok();
  }

  // Nothing if it could not be done.
  std::optional<block::CheckReport> check(bool repair) {
    block::Graph graph;
    block::Graph::OpenDefaults defaults;
    defaults.for_check = defaults.no_backing = true;
    defaults.read_only = !repair;
    block::Result<std::shared_ptr<block::Node>> node = graph.open(
        {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", disk.file->name()}},
        defaults);
    if (!node) {
      EXPECT_NE(node.error().message(), "");
      return std::nullopt;
    }
    block::CheckRequest request;
    request.repair_leaks = request.repair_errors = repair;
    block::Result<block::CheckReport> report = (*node)->check(request);
    if (!report) {
      EXPECT_NE(report.error().message(), "");
      return std::nullopt;
    }
    return *report;
  }

  struct Spent {
    double seconds; // of all processors: other programs do not count
    std::uint64_t peak_megabytes;
  };
  static Spent spent() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return {seconds(usage.ru_utime) + seconds(usage.ru_stime),
            static_cast<std::uint64_t>(usage.ru_maxrss) / 1024};
  }

  Qcow2Disk disk{shape()};
};

TEST_P(ContradictoryImage, GetsAnErrorOrARepairSoonAndInLittleMemory) {
  Victim victim(disk);
  GetParam().damage(victim);
  [[maybe_unused]] const Spent before = spent();

  const std::vector<std::byte> damaged = disk.file->content();
  if (disk.try_open({{"read-only", "on"}})) use();
  (void)disk.close().ok();
  EXPECT_TRUE(disk.file->content() == damaged) << "a reader changed the image";
  (void)check(false);
  EXPECT_TRUE(disk.file->content() == damaged) << "a check changed the image";

  std::string outcome = "refused";
  if (block::Result<void> opened = disk.try_open()) {
    outcome = "used";
    disk.wait_for_index();
    use();
  } else {
    EXPECT_NE(opened.error().message(), "");
  }
  (void)disk.close().ok();

  std::optional<block::CheckReport> repaired = check(true);
  if (!repaired)
    outcome += ", error";
  else if (repaired->corruptions + repaired->check_errors > 0)
    outcome += ", left";
  else {
    outcome += ", clean";
    std::optional<block::CheckReport> again = check(false);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->corruptions + again->leaks + again->check_errors, 0u);
    if (disk.try_open()) {
      // A repair may have made a plain image of it.
      if (disk.node().query_dedup()) disk.wait_for_index();
      use();
    }
    (void)disk.close().ok();
  }
  EXPECT_EQ(outcome, GetParam().outcome);

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(spent().seconds - before.seconds, 2);
  // The image of a case is in memory itself, several times.
  EXPECT_LT(spent().peak_megabytes - before.peak_megabytes, 300u);
#endif
}

INSTANTIATE_TEST_SUITE_P(Generated, ContradictoryImage, testing::ValuesIn(cases),
                         [](const auto& one) { return std::string(one.param.name); });
INSTANTIATE_TEST_SUITE_P(WrongTables, ContradictoryImage, testing::ValuesIn(wrong_tables),
                         [](const auto& one) { return std::string(one.param.name); });

// An image with such a table is used without it. No write may then land where the guest's tables or
// its data are, whichever structure named the place first.
class WrongTable : public testing::Test {
protected:
  static block::DiskShape shape() {
    block::DiskShape shape;
    shape.guest_clusters = 1024; // two L2 tables
    return shape;
  }
  void write(std::uint64_t guest, const std::string& data) {
    write_at(guest * disk.cluster_bytes(), data);
  }
  void write_at(std::uint64_t offset, const std::string& data) {
    disk.write_at(offset, data);
    model.replace(offset, data.size(), data);
  }
  void fill() {
    for (unsigned i = 0; i < 40; ++i)
      write(i, disk.pattern(i % 30));
    write(600, disk.pattern(3));
    ASSERT_TRUE(succeeded(disk.close()));
  }
  // Contents that the image has, in other places and over shared and single clusters; new ones; and
  // parts of clusters.
  void use(unsigned round) {
    for (unsigned i = 0; i < 40; ++i)
      write((round * 97 + i * 31) % 1024, disk.pattern(i % 4 == 0 ? 9000 + round * 40 + i : i));
    for (std::uint64_t guest : {0, 1, 3, 600})
      write(guest, disk.pattern(8000 + round * 4 + static_cast<unsigned>(guest)));
    write_at(17 * disk.cluster_bytes() + 100, "part");
    disk.discard(30 + round, 2);
    model.replace((30 + round) * disk.cluster_bytes(), 2 * disk.cluster_bytes(),
                  block::zeros(2 * disk.cluster_bytes()));
    disk.flush();
    EXPECT_TRUE(disk.holds(0, model));
  }
  // By the bytes of the file.
  void expect_in_file() {
    const std::vector<std::byte> found = block::guest_content(disk.file->content());
    EXPECT_TRUE(std::string(reinterpret_cast<const char*>(found.data()), found.size()) == model);
  }

  Qcow2Disk disk{shape()};
  std::string model = block::zeros(disk.guest_bytes());
};

class UsedWithoutItsTable : public WrongTable,
                            public testing::WithParamInterface<std::tuple<Case, Victim::Digest>> {};

TEST_P(UsedWithoutItsTable, NoWriteLandsOnTablesOrData) {
  const auto& [damaged, digest] = GetParam();
  fill();
  Victim victim(disk, digest);
  damaged.damage(victim);
  expect_in_file();
  for (unsigned round = 0; round < 4; ++round) {
    ASSERT_NO_FATAL_FAILURE(disk.open());
    if (round % 2 == 0) disk.wait_for_index();
    use(round);
    if (round == 2)
      disk.kill();
    else
      ASSERT_TRUE(succeeded(disk.close()));
    expect_in_file();
    if (round != 2) disk.expect_consistent();
  }
  ASSERT_NO_FATAL_FAILURE(disk.open());
  EXPECT_TRUE(disk.holds(0, model));
  disk.share_and_overwrite();
  ASSERT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(disk.repair(block::Repair::all).error, "");
  disk.expect_clean();
}

// Hash blocks over data are given up at open only because the digest differs: nothing else shows
// before the first write that the clusters hold data.
constexpr const char* seen_by_digest_alone = "hash_block_over_data";

std::vector<std::tuple<Case, Victim::Digest>> used_without_their_tables() {
  std::vector<std::tuple<Case, Victim::Digest>> used;
  for (const Case& one : wrong_tables) {
    if (one.outcome != std::string("used, clean")) continue;
    used.emplace_back(one, Victim::Digest::kept);
    if (one.name != std::string(seen_by_digest_alone))
      used.emplace_back(one, Victim::Digest::forged);
  }
  return used;
}

TEST_F(WrongTable, WithAForgedDigestTheFirstWriteOverAHashBlockIsRefused) {
  fill();
  Victim victim(disk);
  std::ranges::find(wrong_tables, std::string(seen_by_digest_alone), &Case::name)->damage(victim);
  disk.open();
  EXPECT_EQ(kind_of(disk.try_write(0, disk.pattern(8000))), block::ErrorKind::corrupt);
  EXPECT_EQ(kind_of(disk.close()), block::ErrorKind::corrupt);
  EXPECT_TRUE(disk.header().corrupt());
  expect_in_file();
  EXPECT_EQ(disk.repair(block::Repair::all).error, "");
  disk.open();
  use(0);
  ASSERT_TRUE(succeeded(disk.close()));
  expect_in_file();
  disk.expect_consistent();
}

std::string name_of(const testing::TestParamInfo<std::tuple<Case, Victim::Digest>>& one) {
  const bool kept = std::get<Victim::Digest>(one.param) == Victim::Digest::kept;
  return std::get<Case>(one.param).name + std::string(kept ? "_with_digest" : "");
}

INSTANTIATE_TEST_SUITE_P(WrongTables, UsedWithoutItsTable,
                         testing::ValuesIn(used_without_their_tables()), name_of);

// The only allocation of the session is that of the dedup table, at the close.
TEST(RefcountsThatLie, NoDedupTableIsPlacedOverAnL2Table) {
  Qcow2Disk disk({.dedup = false});
  disk.write(0, disk.pattern(1));
  block::Options options{{"dedup", "sha256"}};
  ASSERT_TRUE(succeeded(disk.node().amend(options)));
  ASSERT_TRUE(succeeded(disk.close()));
  const std::uint64_t l2 = disk.file64(disk.header().l1_offset.value()) & qcow2::offset_mask;
  const std::uint64_t refcount_block = disk.file64(disk.header().refcount_table_offset.value());
  std::vector<std::byte> content = disk.file->content();
  block::store_big_endian<std::uint16_t>(&content[refcount_block + l2 / disk.cluster_bytes() * 2],
                                         0);
  disk.file->set_content(std::move(content));
  const std::uint64_t entry = disk.l2_entry(0);
  disk.open();
  disk.wait_for_scan();
  EXPECT_EQ(kind_of(disk.close()), block::ErrorKind::corrupt);
  EXPECT_TRUE(disk.header().corrupt());
  EXPECT_EQ(disk.l2_entry(0), entry);
}

} // namespace
} // namespace qcow2_dedup
