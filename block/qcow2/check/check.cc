// The order of a check and of its repairs.
#include "block/qcow2/check/check.h"

#include "block/endian.h"
#include "block/qcow2/check/mapping-walk.h"
#include "block/qcow2/check/rebuild.h"
#include "block/qcow2/check/stored-refcounts.h"

#include <algorithm>

namespace qcow2 {
namespace {

using block::CheckReport;
using block::CheckRequest;

// How to repair a cluster in use whose refcount is 0: qemu-img treats it as a sign that the whole
// structure is wrong.
enum class ZeroRefcounts { rebuild, raise };

constexpr std::uint64_t autoclear_field = header_features_field + 16;

class Check {
public:
  Check(HostFile& file, Header& header, const CheckRequest& request, CheckClient* client,
        ZeroRefcounts zero_refcounts, std::uint64_t file_bytes)
      : file_(file),
        header_(header),
        request_(request),
        client_(client),
        zero_refcounts_(zero_refcounts),
        findings_(request, header.dirty()),
        references_(header, file_bytes),
        mapping_(file, header, references_, findings_),
        stored_(file, header, references_, findings_) {}

  Result<CheckReport> run();
  // Only counts the references and compares the refcounts with them.
  Result<bool> refcounts_suffice();

private:
  // `walks` is the total number of walks over the mapping.
  Result<void> compare_refcounts(std::uint64_t walks, const CheckStep& step);
  Result<void> clear_foreign_autoclear_features();
  Result<void> repair_refcounts();
  Result<void> finish_client(const CheckStep& step);
  Result<void> clear_features();
  Result<void> store_features(std::uint64_t place, std::uint64_t features);
  void step();

  HostFile& file_;
  Header& header_;
  const CheckRequest& request_;
  CheckClient* client_;
  ZeroRefcounts zero_refcounts_;
  CheckFindings findings_;
  References references_;
  MappingWalk mapping_;
  StoredRefcounts stored_;
  HostCluster image_end_;
  std::uint64_t steps_ = 0;
  std::uint64_t total_steps_ = 0;
};

void Check::step() {
  constexpr std::uint64_t steps_between_calls = 256;
  if (++steps_ % steps_between_calls == 0 && request_.progress)
    request_.progress(std::min(steps_, total_steps_), total_steps_);
}

Result<void> Check::compare_refcounts(std::uint64_t walks, const CheckStep& step) {
  BLOCK_TRY(mapping_.load());
  stored_.load();
  if (findings_.repairs()) BLOCK_TRY(clear_foreign_autoclear_features());
  total_steps_ = walks * header_.l1_entries + stored_.table_entries();
  if (client_) total_steps_ += client_->steps();

  references_.add(HostOffset(0), header_.cluster_size().bytes(), ClusterUse::metadata, 1,
                  findings_);
  BLOCK_TRY(mapping_.count(step));
  stored_.count_structure();
  if (client_) BLOCK_TRY(client_->claim_metadata(references_, findings_));
  stored_.compare(step);
  return {};
}

Result<bool> Check::refcounts_suffice() {
  BLOCK_TRY(compare_refcounts(1, [this] { step(); }));
  if (request_.progress) request_.progress(total_steps_, total_steps_);
  return references_.complete() && !stored_.damaged() && !stored_.has_low_refcounts();
}

Result<CheckReport> Check::run() {
  CheckStep step = [this] { this->step(); };
  BLOCK_TRY(compare_refcounts(2, step));
  image_end_ = stored_.end();
  if (findings_.repairs()) BLOCK_TRY(repair_refcounts());

  // Every table has been read by now, except the client's, which hold hints.
  file_.end_restoring_lost_writes();
  const CheckReport& report = findings_.report();
  bool clean = report.corruptions == 0 && report.leaks == 0 && report.check_errors == 0;
  bool repair_copied = request_.repair_errors || (request_.repair_leaks && clean);
  BLOCK_TRY(mapping_.check_copied(stored_, repair_copied, client_, step));
  if (client_) BLOCK_TRY(finish_client(step));
  findings_.end();
  if (findings_.repairs()) BLOCK_TRY(clear_features());

  findings_.report().total_clusters = header_.cluster_size().clusters_for(header_.guest_size);
  findings_.report().image_end_offset = header_.cluster_size().start(image_end_).value();
  if (request_.progress) request_.progress(total_steps_, total_steps_);
  return findings_.report();
}

// Clears autoclear features, durably before anything else changes: a writer that does not support a
// feature cannot keep its data valid.
Result<void> Check::clear_foreign_autoclear_features() {
  std::uint64_t kept = header_.autoclear_features & (client_ ? client_->autoclear_features() : 0);
  if (kept == header_.autoclear_features) return {};
  BLOCK_TRY(store_features(autoclear_field, kept));
  header_.autoclear_features = kept;
  return {};
}

Result<void> Check::store_features(std::uint64_t place, std::uint64_t features) {
  std::byte field[8];
  block::store_big_endian(field, features);
  BLOCK_TRY(file_.write(HostOffset(place), std::span<const std::byte>(field)));
  return file_.barrier();
}

Result<void> Check::repair_refcounts() {
  // Parts of the mapping that could not be read may name clusters that seem unused.
  bool lower = request_.repair_leaks && references_.complete();
  bool rebuild = stored_.damaged() ||
                 (stored_.has_zero_refcounts() && zero_refcounts_ == ZeroRefcounts::rebuild);
  if (request_.repair_leaks && !lower && stored_.leaks() > 0)
    findings_.note("Leaks are not repaired, because not every L2 table can be read");
  if (!rebuild) {
    BLOCK_TRY(stored_.repair_in_place(lower, request_.repair_errors));
    // Only after an unclean end: neither users of check nor qemu-img count clusters beyond the file
    // as leaks. This check clears "dirty", so no later opener would clear the refcounts.
    const bool unclean = header_.dirty() || zero_refcounts_ == ZeroRefcounts::raise;
    if (lower && unclean) BLOCK_TRY(stored_.clear_beyond_end());
    if (lower) image_end_ = references_.counts().end();
  } else if (request_.repair_errors) {
    BLOCK_TRY_ASSIGN(bool done, rebuild_refcounts(file_, header_, references_, stored_, client_,
                                                  findings_, !lower));
    if (done)
      image_end_ = std::max(references_.counts().end(), lower ? HostCluster(0) : image_end_);
  } else {
    findings_.note("ERROR need to rebuild refcount structures");
    findings_.note(std::string("A repair of leaks does not do that, and leaves leaks: "
                               "'check -r all' does it") +
                   (header_.dirty() ? ", and so does opening the image for writing" : ""));
  }
  return file_.barrier();
}

Result<void> Check::finish_client(const CheckStep& step) {
  for (;;) {
    BLOCK_TRY_ASSIGN(bool again, client_->finish(references_, findings_, step));
    if (!again) return {};
    BLOCK_TRY(mapping_.tell_references(*client_));
  }
}

Result<void> Check::clear_features() {
  BLOCK_TRY(file_.barrier());
  const CheckReport& report = findings_.report();
  std::uint64_t bits = bit(incompatible::dirty_bit) | bit(incompatible::corrupt_bit);
  if (client_ && client_->needs_another_repair()) bits = bit(incompatible::corrupt_bit);
  if (report.corruptions != 0 || report.check_errors != 0) return {};
  if ((header_.incompatible_features & bits) == 0) return {};
  std::uint64_t features = header_.incompatible_features & ~bits;
  BLOCK_TRY(store_features(header_features_field, features));
  header_.incompatible_features = features;
  return {};
}

template <typename Answer>
Result<Answer> run_check(HostFile& file, Header& header, const CheckRequest& request,
                         CheckClient* client, ZeroRefcounts zero_refcounts,
                         Result<Answer> (Check::*run)()) {
  // The bitmaps' clusters would count as leaks, and a repair would free them although another
  // program uses them.
  if (header.autoclear_features & bit(autoclear::bitmaps_bit))
    return block::Error(block::ErrorKind::unsupported,
                        "images with persistent bitmaps cannot be checked yet");
  BLOCK_TRY_ASSIGN(std::uint64_t file_bytes, file.node().co_get_length());
  return (Check(file, header, request, client, zero_refcounts, file_bytes).*run)();
}

} // namespace

Result<CheckReport> check(HostFile& file, Header& header, const CheckRequest& request,
                          CheckClient* client) {
  return run_check(file, header, request, client, ZeroRefcounts::rebuild, &Check::run);
}

Result<CheckReport> repair_after_crash(HostFile& file, Header& header, CheckClient* client,
                                       const ReportLine& report) {
  CheckRequest request;
  request.report = report;
  request.repair_leaks = request.repair_errors = true;
  return run_check(file, header, request, client, ZeroRefcounts::raise, &Check::run);
}

Result<bool> refcounts_suffice(HostFile& file, Header& header, const block::Progress& progress,
                               CheckClient* client) {
  CheckRequest request;
  request.progress = progress;
  return run_check(file, header, request, client, ZeroRefcounts::rebuild,
                   &Check::refcounts_suffice);
}

} // namespace qcow2
