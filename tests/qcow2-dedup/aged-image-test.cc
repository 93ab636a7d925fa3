// Images whose host clusters lie in no order: opening, checking and repairing them costs what their
// metadata costs. Counted are reads, because seconds depend on the machine.
#include "tests/support/aged-image.h"

#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/table-check.h"
#include "block/qcow2/image.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <chrono>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::AgedImage;
using block::Graph;
using block::make_aged_image;
using block::Node;
using block::TemporaryDirectory;

// 313 hash blocks: more than any cache of them held in former versions, 256.
constexpr std::uint64_t many_clusters = 490'000;
constexpr std::uint64_t hash_blocks = 313;

class AgedImages : public testing::Test {
protected:
  std::shared_ptr<Node> open(Graph& graph, bool for_check) {
    Graph::OpenDefaults defaults;
    defaults.for_check = defaults.read_only = for_check;
    return block::open(
        graph, {{"driver", "qcow2"}, {"file.driver", "file"}, {"file.filename", path}}, defaults);
  }
  static std::uint64_t reads_of(Node& node) { return node.file()->stats().read_operations; }

  // Reads that opening for writing takes, which repairs if the image crashed. The index is loaded
  // by a thread, which reads each hash block once, however far the open is: its reads are waited
  // for, and left out. No scan follows, because deduplication is paused in these images.
  std::uint64_t reads_of_open(const AgedImage& shape) {
    make_aged_image(path, shape);
    Graph graph;
    std::shared_ptr<Node> node = open(graph, false);
    if (!node) return 0;
    for (int tries = 0; tries < 30000; ++tries) {
      if (node->query_dedup()->index_entries == shape.guest_clusters)
        return reads_of(*node) - hash_blocks;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "the index is not loaded after 30 seconds";
    return 0;
  }
  std::uint64_t reads_of_check(const AgedImage& shape) {
    make_aged_image(path, shape);
    Graph graph;
    std::shared_ptr<Node> node = open(graph, true);
    if (!node) return 0;
    block::CheckRequest request;
    block::Result<block::CheckReport> report = node->check(request);
    EXPECT_TRUE(succeeded(report));
    EXPECT_EQ(report->corruptions + report->leaks + report->check_errors, 0u);
    return reads_of(*node);
  }

  TemporaryDirectory directory;
  std::string path = directory.file("aged.qcow2");
};

TEST_F(AgedImages, ARepairReadsNoMoreThanInOrder) {
  std::uint64_t in_order = reads_of_open({many_clusters, false, true});
  std::uint64_t shuffled = reads_of_open({many_clusters, true, true});
  EXPECT_GT(in_order, 0u);
  EXPECT_LE(shuffled, in_order * 3 / 2);
  EXPECT_LE(in_order, 300u); // 3.8 MiB of L2 tables, twice, and 20 MiB of hash blocks
}

TEST_F(AgedImages, ACheckReadsNoMoreThanInOrder) {
  std::uint64_t in_order = reads_of_check({many_clusters, false, false});
  std::uint64_t shuffled = reads_of_check({many_clusters, true, false});
  EXPECT_GT(in_order, 0u);
  EXPECT_LE(shuffled, in_order * 3 / 2);
  EXPECT_LE(in_order, 500u);
}

// With too little memory for all owners the walk comes again, and finds the same.
TEST_F(AgedImages, AWindowOfOwnersFindsWhatAllOfThemFind) {
  make_aged_image(path, {20'000, true, false, 600});
  for (std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{30'000}, SingleOwners::default_bytes}) {
    Graph graph;
    std::shared_ptr<Node> file =
        block::open(graph, {{"driver", "file"}, {"filename", path}}, {.read_only = true});
    qcow2::HostFile host_file(*file);
    qcow2::Header header = qcow2::read_header(host_file).value();
    Extension extension =
        decode_extension(header.find_extension(extension_magic)->data, header.cluster_size())
            .value();
    std::vector<std::string> lines;
    block::CheckRequest request;
    request.report = [&](const std::string& line) { lines.push_back(line); };
    TableCheck client(host_file, header, extension, false, bytes);
    ASSERT_TRUE(succeeded(qcow2::check(host_file, header, request, &client)));
    EXPECT_EQ(
        lines,
        std::vector<std::string>{"ERROR 600 entries of the dedup table do not fit their clusters"})
        << bytes;
  }
}

} // namespace
} // namespace qcow2_dedup
