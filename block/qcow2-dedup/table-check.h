// TableCheck: the dedup table's part in checking and repairing an image.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_CHECK_H
#define BLOCK_QCOW2_DEDUP_TABLE_CHECK_H

#include "block/qcow2-dedup/dedup-table.h"
#include "block/qcow2-dedup/deep-check.h"
#include "block/qcow2/check.h"

namespace qcow2_dedup {

// Judges the table by the walk over the image. One thread, while nobody uses the image. With
// repair, wrong entries are emptied, and a table that cannot be right is dropped as a whole:
// extension() then says that there is none. The header says so before any of its clusters is freed,
// so that breaking off leaves no table whose clusters may be given to data.
class TableCheck final : public qcow2::CheckClient {
public:
  // `deep`: the data of each cluster with an entry is read and hashed, too.
  TableCheck(qcow2::HostFile& file, qcow2::Header& header, Extension extension, bool deep = false);

  Result<void> claim_metadata(qcow2::References& references,
                              qcow2::CheckFindings& findings) override;
  void data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) override;
  Result<void> finish(const qcow2::References& references, qcow2::CheckFindings& findings,
                      const qcow2::CheckStep& step) override;
  std::uint64_t steps() const override;

  // What the header's extension must say now.
  const Extension& extension() const { return extension_; }

private:
  bool claim_all(qcow2::References& references);
  void clear(HostCluster cluster);
  Result<void> check_entries(const qcow2::References& references, DeepCheck* deep,
                             const qcow2::CheckStep& step);
  Result<DeepCheck> deep_check(qcow2::CheckFindings& findings);
  void report(const std::string& what, qcow2::CheckFindings& findings) const;
  Result<void> write_back();

  qcow2::HostFile& file_;
  qcow2::Header& header_;
  block::ClusterSize cluster_size_;
  Extension extension_;
  dedup::Counters counters_;
  DedupTable table_;
  bool deep_;
  bool trusted_; // without, wrong entries are to be expected, and nobody believes any
  bool usable_ = false;
  bool repairs_ = false;
  std::uint64_t wrong_entries_ = 0;
  std::uint64_t unreadable_entries_ = 0;
};

} // namespace qcow2_dedup

#endif
