// TableCheck: check and repair of the dedup table, as a client of the image check.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_TABLE_CHECK_H
#define BLOCK_QCOW2_DEDUP_TABLE_TABLE_CHECK_H

#include "block/qcow2-dedup/table/dedup-table.h"
#include "block/qcow2-dedup/table/deep-check.h"
#include "block/qcow2-dedup/table/single-owners.h"
#include "block/qcow2/check/check.h"
#include "block/qcow2/check/table-reader.h"

namespace qcow2_dedup {

// Compares the table with the walk over the image. One thread; the image must not be in use. With
// any repair, wrong entries are cleared, and a table that cannot be valid is dropped as a whole:
// extension() then has no table. That is durable in the header before any of the table's clusters
// is freed, so an interruption leaves no table whose clusters may be given to data.
//
// The walk is in guest order, so its references are only recorded. finish() compares them with the
// hash blocks in the order of the table, and reads each block once.
//
// A hash block that cannot be read holds no hashes, which is no error: a repair overwrites it with
// an empty one.
class TableCheck final : public qcow2::CheckClient {
public:
  // `deep`: the data of each cluster with an entry is read and hashed, too. `owners_bytes` bounds
  // the memory for recorded references; with less memory the walk is repeated several times.
  TableCheck(qcow2::HostFile& file, qcow2::Header& header, Extension extension, bool deep = false,
             std::uint64_t owners_bytes = SingleOwners::default_bytes);

  // After this call, the loss of the end of the file is neither reported nor accepted: for the
  // repair at open, which the user did not ask for. Call it before the check.
  void keep_losses() { keeps_losses_ = true; }

  Result<void> claim_metadata(qcow2::References& references,
                              qcow2::CheckFindings& findings) override;
  Result<bool> give_up_metadata(qcow2::References& references,
                                qcow2::CheckFindings& findings) override;
  std::uint64_t autoclear_features() const override { return dedup_feature_mask; }
  void data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) override;
  Result<bool> finish(const qcow2::References& references, qcow2::CheckFindings& findings,
                      const qcow2::CheckStep& step) override;
  std::uint64_t steps() const override;
  bool needs_another_repair() const override { return dropped_when_counted_; }

  // Returns the counts of the walk, with the report of the check.
  DataClusters data_clusters(const block::CheckReport& report) const;
  block::DataFigures data_figures(const block::CheckReport& report) const;

  // The header extension as it must be stored now.
  const Extension& extension() const { return extension_; }

private:
  // The changed part of the loaded hash block, in bytes.
  struct Changed {
    std::size_t begin = hash_block_bytes;
    std::size_t end = 0;
  };

  Result<void> check_file(const qcow2::References& references, qcow2::CheckFindings& findings);
  bool claim_all(qcow2::References& references);
  void release(const std::vector<DedupTable::Place>& claimed, qcow2::References& references) const;
  Result<void> drop_table(const std::string& why, qcow2::CheckFindings& findings);
  Result<void> check_block(std::uint64_t index, const qcow2::References& references,
                           DeepCheck* deep, qcow2::CheckFindings& findings,
                           const qcow2::CheckStep& step);
  Result<void> lose_block(std::uint64_t index, const block::Error& why,
                          qcow2::CheckFindings& findings);
  bool fits(HostCluster cluster, const Entry& entry, const qcow2::References& references) const;
  void clear(std::size_t slot);
  Result<DeepCheck> deep_check(qcow2::CheckFindings& findings);
  void report(const std::string& what, bool repaired, qcow2::CheckFindings& findings,
              qcow2::CheckFindings::About about) const;

  qcow2::HostFile& file_;
  qcow2::Header& header_;
  block::ClusterSize cluster_size_;
  Extension extension_;
  dedup::Counters counters_;
  DedupTable table_; // used for its L1; blocks_ reads the blocks
  qcow2::TableReader blocks_;
  std::uint64_t owners_bytes_;
  SingleOwners owners_;
  std::uint64_t next_block_ = 0;
  std::span<std::byte> block_; // the hash block being checked
  Changed changed_;
  bool deep_;
  bool keeps_losses_ = false;
  bool trusted_; // false: wrong entries are to be expected, and each match is compared
  bool usable_ = false;
  bool dropped_when_counted_ = false;
  bool repairs_ = false;
  std::uint64_t stored_clusters_ = 0; // clusters of data
  std::uint64_t metadata_clusters_ = 0;
  std::uint64_t wrong_entries_ = 0;
};

} // namespace qcow2_dedup

#endif
