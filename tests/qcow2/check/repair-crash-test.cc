// Tests that a repair may be broken off anywhere: a power cut leaves an image that the next repair
// mends, with every mapping as it was.
#include "tests/qcow2/check/check-image.h"
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <algorithm>
#include <cerrno>
#include <functional>

namespace qcow2 {
namespace {

using block::MemoryFile;
using block::MemoryOperation;

struct Damage {
  const char* name;
  std::function<void(CheckImage&)> apply;
};

void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.name;
}

class RepairInMemory : public testing::Test {
protected:
  struct End {
    bool done;
    std::vector<std::byte> content;               // what other programs of the machine see
    std::vector<std::byte> durable;               // what is left if the power goes now
    std::vector<block::MemoryChange> not_flushed; // any of these may be left, too
  };

  static std::shared_ptr<MemoryFile> file_of(const CheckImage& image) {
    auto memory = MemoryFile::create("power-cut", image.bytes());
    if (image.full()) memory->set_capacity(image.bytes().size());
    return memory;
  }

  // Repairs in a memory file until something fails, and tells what is there at that moment: closing
  // the file would flush it.
  static End repair(const std::shared_ptr<MemoryFile>& memory) {
    block::Graph graph;
    auto node = graph.open({{"driver", "memory"}, {"filename", "power-cut"}}, {});
    EXPECT_TRUE(node.ok());
    HostFile host(**node);
    Header header = decode_header(memory->content()).value();
    block::CheckRequest request;
    request.repair_leaks = request.repair_errors = true;
    bool done = check(host, header, request).ok();
    End end{done, memory->content(), memory->durable_content(), memory->unflushed()};
    memory->heal();
    return end;
  }

  static std::vector<std::byte> with_change(std::vector<std::byte> content,
                                            const block::MemoryChange& change) {
    content.resize(std::max<std::size_t>(content.size(), change.offset + change.data.size()));
    std::copy(change.data.begin(), change.data.end(),
              content.begin() + static_cast<std::ptrdiff_t>(change.offset));
    return content;
  }

  static void expect_repairable(std::vector<std::byte> content, const CheckImage& original) {
    CheckImage image = original;
    image.bytes() = std::move(content);
    CheckOutcome outcome = image.repair_all();
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.report.corruptions, 0u) << testing::PrintToString(outcome.lines);
    EXPECT_EQ(image.check().lines, std::vector<std::string>());
    for (std::uint64_t i = 0; i < 64; ++i)
      EXPECT_EQ(image.l2_entry(i) & ~copied_flag, original.l2_entry(i) & ~copied_flag);
    EXPECT_EQ(image.data_bytes(), original.data_bytes());
  }
};

class BrokenOffRepair : public RepairInMemory, public testing::WithParamInterface<Damage> {};

TEST_P(BrokenOffRepair, LeavesAnImageThatTheNextOneMends) {
  CheckImage original;
  original.set_features(bit(incompatible::dirty_bit));
  GetParam().apply(original);
  for (MemoryOperation operation : {MemoryOperation::write, MemoryOperation::flush}) {
    bool done = false;
    std::uint64_t nth = 1;
    for (; !done; ++nth) {
      SCOPED_TRACE("operation " + std::to_string(nth));
      auto memory = file_of(original);
      memory->fail(operation, nth, EIO);
      End end = repair(memory);
      done = end.done;
      expect_repairable(end.content, original);
      expect_repairable(end.durable, original);
      for (const block::MemoryChange& change : end.not_flushed)
        if (change.kind == block::MemoryChange::Kind::write)
          expect_repairable(with_change(end.durable, change), original);
      ASSERT_LT(nth, 100u);
    }
    EXPECT_GT(nth, 2u) << "the repair did nothing that could fail";
  }
}

TEST_P(BrokenOffRepair, MarksTheImageCleanOnlyWhenAllElseIsDurable) {
  CheckImage original;
  original.set_features(bit(incompatible::dirty_bit));
  GetParam().apply(original);
  auto memory = file_of(original);
  bool marked = false;
  memory->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t) {
    if (operation != MemoryOperation::write) return;
    EXPECT_FALSE(marked) << "a write after the mark";
    if (offset != header_features_field) return;
    EXPECT_TRUE(memory->unflushed().empty());
    marked = true;
  });
  End end = repair(memory);
  EXPECT_TRUE(end.done);
  EXPECT_TRUE(marked);
  EXPECT_TRUE(end.not_flushed.empty());
}

// By the header, or by the refcount table if that stays.
TEST_P(BrokenOffRepair, NamesARefcountBlockOnlyWhenAllOfThemAreDurable) {
  CheckImage original;
  original.set_features(bit(incompatible::dirty_bit));
  GetParam().apply(original);
  auto memory = file_of(original);
  bool named = false;
  memory->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t) {
    if (operation != MemoryOperation::write || named) return;
    const bool in_table = offset >= original.offset(CheckImage::refcount_table) &&
                          offset < original.offset(CheckImage::refcount_table + 1);
    if (!in_table && offset != header_refcount_table_field) return;
    named = true;
    EXPECT_TRUE(memory->unflushed().empty());
  });
  EXPECT_TRUE(repair(memory).done);
}

// As a writer leaves it that was killed before its last changes were flushed: if power fails, the
// old entry is back, and must have its data.
TEST_F(RepairInMemory, OverwritesAClusterOnlyWhenWhatFreedItIsDurable) {
  constexpr std::uint64_t freed = 2; // guest cluster
  CheckImage image;
  image.bytes().resize(image.offset(image.end() + 1));
  image.set_l2_entry(40, image.offset(image.end()) | copied_flag);
  image.set_refcount_table_entry(0, 0x20200);
  image.set_full();
  auto memory = file_of(image);
  block::Graph graph;
  auto node = block::open(graph, {{"driver", "memory"}, {"filename", "power-cut"}});
  ASSERT_TRUE(block::succeeded(
      block::write(*node, image.offset(image.l2()) + freed * table_entry_bytes, block::zeros(16))));
  bool overwritten = false;
  memory->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t) {
    if (operation != MemoryOperation::write || overwritten) return;
    if (offset < image.offset(image.data(freed)) || offset >= image.offset(image.data(freed + 2)))
      return;
    overwritten = true;
    EXPECT_TRUE(memory->unflushed().empty());
  });
  EXPECT_TRUE(repair(memory).done);
  EXPECT_TRUE(overwritten);
}

INSTANTIATE_TEST_SUITE_P(
    Repair, BrokenOffRepair,
    testing::Values(Damage{"OfARefcountTooLow",
                           [](CheckImage& image) { image.set_l2_entry(9, image.l2_entry(1)); }},
                    Damage{"OfALeakWithoutCopied",
                           [](CheckImage& image) {
                             image.set_refcount(6, 2);
                             image.set_l2_entry(1, 0x60000);
                           }},
                    Damage{"OfNoRefcountsAtAll",
                           [](CheckImage& image) {
                             for (std::uint64_t cluster = 0; cluster < image.end(); ++cluster)
                               image.set_refcount(cluster, 0);
                           }},
                    Damage{"OfABlockThatIsDataToo",
                           [](CheckImage& image) {
                             image.set_l2_entry(9, 0x20000);
                             image.set_refcount_table_entry(1, 0x20000);
                           }},
                    Damage{"OfAStructureThatFitsOnlyInsideTheFile",
                           [](CheckImage& image) {
                             image.bytes().resize(image.offset(image.end() + 4));
                             image.set_l2_entry(40, image.offset(image.end() + 3) | copied_flag);
                             image.set_refcount_table_entry(1, 0x20000);
                             image.set_full();
                           }},
                    Damage{"OfABlockThatIsMissingWhereNoMoreIsFree",
                           [](CheckImage& image) {
                             image = CheckImage({.cluster_bits = 12,
                                                 .refcount_order = 6,
                                                 .guest_clusters = 512,
                                                 .data_clusters = 506});
                             image.set_features(bit(incompatible::dirty_bit));
                             image.bytes().resize(image.offset(514));
                             image.set_l2_entry(506, image.offset(512) | copied_flag);
                             image.set_l2_entry(507, image.offset(513) | copied_flag);
                             image.set_refcount(20, 0);
                             image.set_full();
                           }}),
    [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace qcow2
