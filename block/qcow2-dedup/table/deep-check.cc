// DeepCheck: large reads, batches of hashes.
#include "block/qcow2-dedup/table/deep-check.h"

#include "block/qcow2-dedup/table/extension.h"

#include <algorithm>

namespace qcow2_dedup {

using block::HostCluster;
using block::Result;

namespace {

constexpr std::uint64_t batch_bytes = 4 << 20;

} // namespace

DeepCheck::DeepCheck(qcow2::DataFile data, block::ClusterSize cluster_size, dedup::Hasher hasher,
                     Findings findings)
    : data_(data),
      cluster_size_(cluster_size),
      hasher_(std::move(hasher)),
      findings_(std::move(findings)),
      memory_(std::max(batch_bytes, cluster_size.bytes())) {}

std::span<std::byte> DeepCheck::data_of(std::size_t index, std::size_t clusters) {
  return memory_.span().subspan(index * cluster_size_.bytes(), clusters * cluster_size_.bytes());
}

void DeepCheck::add(HostCluster cluster, const dedup::Fingerprint& expected) {
  waiting_.push_back({cluster, expected});
  if (waiting_.size() == memory_.size() / cluster_size_.bytes()) compare();
}

void DeepCheck::read() {
  readable_.assign(waiting_.size(), true);
  for (std::size_t begin = 0, end = 0; begin < waiting_.size(); begin = end) {
    end = begin + 1;
    while (end < waiting_.size() && waiting_[end].cluster == waiting_[end - 1].cluster + 1)
      ++end;
    if (!data_.read(cluster_size_.start(waiting_[begin].cluster), data_of(begin, end - begin)))
      read_one_by_one(begin, end);
  }
}

// One bad sector must not hide its neighbours.
void DeepCheck::read_one_by_one(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    Result<void> done = data_.read(cluster_size_.start(waiting_[i].cluster), data_of(i));
    readable_[i] = done.ok();
    if (!done) findings_.unknown(waiting_[i].cluster, done.error());
  }
}

void DeepCheck::compare() {
  read();
  std::vector<const std::byte*> data;
  std::vector<const Waiting*> compared;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (!readable_[i]) continue;
    data.push_back(data_of(i).data());
    compared.push_back(&waiting_[i]);
  }
  std::vector<dedup::Fingerprint> fingerprints(data.size());
  hasher_.fingerprint(data, cluster_size_.bytes(), fingerprints);
  for (std::size_t i = 0; i < compared.size(); ++i) {
    if (fingerprints[i].is_zero()) {
      findings_.unknown(compared[i]->cluster,
                        block::Error(block::ErrorKind::io, "the hash cannot be computed"));
      continue;
    }
    ++compared_;
    if (fingerprints[i] != compared[i]->expected) findings_.wrong(compared[i]->cluster);
  }
  waiting_.clear();
}

Result<void> can_check_deep(const qcow2::Header& header) {
  const qcow2::Extension* found = header.find_extension(extension_magic);
  if (!found) return {};
  BLOCK_TRY_ASSIGN(Extension extension, decode_extension(found->data, header.cluster_size()));
  return dedup::check_usable(extension.algorithm);
}

} // namespace qcow2_dedup
