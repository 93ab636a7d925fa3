// Tests of what a client of the check can do: claim metadata, see data references, ask and repair.
#include "tests/qcow2/check/check-image.h"

#include <gtest/gtest.h>
#include <map>

namespace qcow2 {
namespace {

using Lines = std::vector<std::string>;

// Claims ranges, remembers what it is told, and asks about clusters at the end.
class Recorder : public CheckClient {
public:
  struct Range {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  struct Reference {
    std::uint64_t host;
    std::uint64_t count;
    bool operator==(const Reference&) const = default;
  };

  Result<void> claim_metadata(References& references, CheckFindings& findings) override {
    for (Range range : ranges)
      if (!references.claim(HostOffset(range.offset), range.bytes))
        findings.corruption(format_line("ERROR extra metadata at %llu",
                                        static_cast<unsigned long long>(range.offset)));
    return {};
  }
  void data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) override {
    EXPECT_FALSE(told.contains(guest.value()));
    told[guest.value()] = {host.value(), references};
  }
  Result<bool> finish(const References& references, CheckFindings&, const CheckStep&) override {
    for (auto& [cluster, use] : asked)
      use = references.use(HostCluster(cluster));
    return false;
  }

  std::vector<Range> ranges;
  std::map<std::uint64_t, Reference> told;
  std::map<std::uint64_t, ClusterUse> asked;
};

TEST(CheckClient, ClaimedClustersAreNoLeaks) {
  CheckImage image;
  image.bytes().resize(image.offset(16));
  image.set_refcount(14, 1);
  image.set_refcount(15, 1);
  EXPECT_EQ(image.check().report.leaks, 2u);
  Recorder client;
  client.ranges = {{image.offset(14), 2 * image.cluster_bytes()}};
  EXPECT_EQ(image.check(false, false, &client).lines, Lines());
}

TEST(CheckClient, ClaimedClustersGetTheirRefcountBack) {
  CheckImage image;
  image.bytes().resize(image.offset(16));
  Recorder client;
  client.ranges = {{image.offset(14), 2 * image.cluster_bytes()}};
  EXPECT_EQ(image.check(false, false, &client).report.corruptions, 2u);
  client.told.clear();
  image.repair_after_crash(&client);
  EXPECT_EQ(image.refcount(14), 1u);
  EXPECT_EQ(image.refcount(15), 1u);
  client.told.clear();
  EXPECT_EQ(image.check(false, false, &client).lines, Lines());
}

TEST(CheckClient, CannotClaimWhatIsInUseOrOutside) {
  CheckImage image;
  image.bytes().resize(image.offset(16));
  for (Recorder::Range range :
       std::vector<Recorder::Range>{{image.offset(0), 1},          // header
                                    {image.offset(2), 65536},      // refcount block
                                    {image.offset(5), 65536},      // data
                                    {image.offset(12), 2 * 65536}, // the first cluster is data
                                    {image.offset(15), 2 * 65536}, // beyond the end
                                    {image.offset(100), 65536},    // wholly beyond
                                    {std::uint64_t{1} << 63, std::uint64_t{1} << 63}, // overflows
                                    {image.offset(13), 0}}) {
    Recorder client;
    client.ranges = {range};
    EXPECT_EQ(image.check(false, false, &client).report.corruptions, 1u) << range.offset;
  }
  Recorder twice;
  twice.ranges = {{image.offset(13), 65536}, {image.offset(13), 65536}};
  image.set_refcount(13, 1);
  EXPECT_EQ(image.check(false, false, &twice).report.corruptions, 1u);
}

TEST(CheckClient, SeesEachEntryThatNamesAClusterWithTheNumberOfAll) {
  CheckImage image;
  image.set_l2_entry(2, 0x70000);
  image.set_l2_entry(30, 0x70000);
  image.set_refcount(7, 2);
  image.set_l2_entry(4, 0x8000000000090001); // zeros that keep their cluster
  Recorder client;
  EXPECT_EQ(image.check(false, false, &client).lines, Lines());
  EXPECT_EQ(client.told.size(), 9u);
  EXPECT_EQ(client.told[0], (Recorder::Reference{5, 1}));
  EXPECT_EQ(client.told[2 * 65536], (Recorder::Reference{7, 2}));
  EXPECT_EQ(client.told[30 * 65536], (Recorder::Reference{7, 2}));
  EXPECT_EQ(client.told[4 * 65536], (Recorder::Reference{9, 1})); // it may carry COPIED too
}

TEST(CheckClient, CanAskWhatEachClusterIs) {
  CheckImage image;
  image.bytes().resize(image.offset(16));
  image.set_refcount(14, 1);
  Recorder client;
  client.ranges = {{image.offset(14), 65536}};
  for (std::uint64_t cluster = 0; cluster < 20; ++cluster)
    client.asked[cluster] = ClusterUse::free;
  image.check(false, false, &client);
  for (std::uint64_t cluster = 0; cluster < 5; ++cluster)
    EXPECT_EQ(client.asked[cluster], ClusterUse::metadata) << cluster;
  for (std::uint64_t cluster = 5; cluster < 13; ++cluster)
    EXPECT_EQ(client.asked[cluster], ClusterUse::data) << cluster;
  EXPECT_EQ(client.asked[13], ClusterUse::free);
  EXPECT_EQ(client.asked[14], ClusterUse::metadata);
  EXPECT_EQ(client.asked[19], ClusterUse::free);
}

TEST(CheckClient, IsAskedAfterTheRebuildOfTheRefcounts) {
  CheckImage image;
  image.set_refcount(5, 0);
  Recorder client;
  for (std::uint64_t cluster = 0; cluster < 16; ++cluster)
    client.asked[cluster] = ClusterUse::data;
  image.repair_all(&client);
  EXPECT_EQ(client.asked[1], ClusterUse::free);
  EXPECT_EQ(client.asked[2], ClusterUse::free);
  EXPECT_EQ(client.asked[13], ClusterUse::metadata);
  EXPECT_EQ(client.asked[14], ClusterUse::metadata);
}

} // namespace
} // namespace qcow2
