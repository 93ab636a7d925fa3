// Changes to the dedup table of an image in RAM, as by damage or by somebody who means harm.
#ifndef TESTS_QCOW2_DEDUP_FORGED_TABLE_H
#define TESTS_QCOW2_DEDUP_FORGED_TABLE_H

#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/qcow2-disk.h"

namespace qcow2_dedup {

using block::GuestOffset;
using block::HostCluster;
using block::Options;
using block::Qcow2Disk;

class ForgedTable : public testing::Test {
protected:
  explicit ForgedTable(block::DiskShape shape = {}) : disk(std::move(shape)) {}

  // Whatever a test has done, no owner may be able to overwrite what another one reads.
  void TearDown() override {
    if (!disk.is_open() && !disk.try_open({{"dedup-verify", "on"}})) return;
    (void)disk.node().resume_dedup().ok();
    disk.share_and_overwrite();
  }
  std::size_t bytes() const { return disk.cluster_bytes(); }

  dedup::Fingerprint fingerprint_of(const std::string& content) const {
    dedup::Hasher hasher = dedup::Hasher::create(dedup::HashAlgorithm::sha256).value();
    const auto* data = reinterpret_cast<const std::byte*>(content.data());
    dedup::Fingerprint fingerprint;
    hasher.fingerprint({&data, 1}, content.size(), {&fingerprint, 1});
    return fingerprint;
  }

  Extension extension() const { return disk.extension(); }

  // Changes the image file while nobody has it open; the table must have the block.
  void forge(std::uint64_t host, const Entry& entry) {
    std::uint64_t hash_block =
        disk.file64(extension().table_offset.value() + block_index_of(HostCluster(host)) * 8);
    ASSERT_NE(hash_block, 0u);
    std::vector<std::byte> content = disk.file->content();
    content.resize(std::max<std::size_t>(content.size(), hash_block + hash_block_bytes));
    store_entry(HashBlock(&content[hash_block], hash_block_bytes), slot_of(HostCluster(host)),
                entry);
    disk.file->set_content(std::move(content));
  }

  void close() { ASSERT_TRUE(succeeded(disk.close())); }
  void open(Options options = {}) {
    disk.open(std::move(options));
    disk.wait_for_index();
  }

  Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);
};

} // namespace qcow2_dedup

#endif
