// Checks an image and repairs it. The walk over the image is the check's own and shares no code
// with the code that writes images.
#ifndef BLOCK_QCOW2_CHECK_CHECK_H
#define BLOCK_QCOW2_CHECK_CHECK_H

#include "block/qcow2/check/findings.h"
#include "block/qcow2/check/references.h"
#include "block/qcow2/header.h"
#include "block/qcow2/host-file.h"

namespace qcow2 {

// A client that keeps metadata in the image that the standard does not define. Its clusters must
// not count as leaks, and it checks itself by the same walk. All functions are called on the
// checking thread, in this order. An error ends the check.
class CheckClient {
public:
  virtual ~CheckClient() = default;

  // Called when all metadata and data of the standard is counted. Claims each piece of extra
  // metadata with references.claim(). A piece that cannot be claimed is damage: the client reports
  // it to findings, and drops it if findings.repairs().
  virtual Result<void> claim_metadata(References& references, CheckFindings& findings) = 0;

  // Called when the repair has no space for what it must write. If the client has claimed metadata
  // that the image can do without, it drops it durably, takes its references back, and returns
  // true.
  virtual Result<bool> give_up_metadata(References&, CheckFindings&) { return false; }

  // Autoclear features that stay valid through a repair; all others are cleared before the repair
  // begins.
  virtual std::uint64_t autoclear_features() const { return 0; }

  // Called for each L2 entry that names a host cluster and is not compressed, also if it reads as
  // zeros. `references` is the total number of references to the cluster. Refcounts and COPIED
  // flags are repaired by now, if they can be. An L2 table that several L1 entries share is visited
  // once, for the first of them.
  virtual void data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) = 0;

  // Called after the last reference. Reports findings, and repairs by writing to the image if
  // findings.repairs(); what is written here is durable before the image is marked clean. Calls
  // `step` repeatedly if it takes long: about as often as steps() returns. Returns true to receive
  // every reference once more, followed by another call: for a client that cannot hold all of them
  // in memory.
  virtual Result<bool> finish(const References& references, CheckFindings& findings,
                              const CheckStep& step) = 0;

  // Returns how many clusters finish() reads at most; 0 = too few to show. Called before all other
  // functions.
  virtual std::uint64_t steps() const { return 0; }

  // Called after finish(). True: the client gave metadata up whose clusters had been counted as in
  // use. An image that is marked dirty then stays dirty, and the next repair frees them.
  virtual bool needs_another_repair() const { return false; }
};

// Checks the image; repairs it as far as `request` asks. Finding lines and counters are those of
// qemu-img check. `header` is the header in the file and must have passed check_supported() and
// check_l1_place(). A repair changes it along with the file (offset of the refcount table,
// features). `client` may be null.
//
// Guest data is never written. A repair writes refcounts and tables first and makes them durable.
// Only then does it clear "dirty" and "corrupt", if no corruption and nothing unexamined is left. A
// repair may be interrupted anywhere: every step leaves an image that is not worse than before.
// While part of the mapping cannot be read, no refcount is lowered.
//
// The image must not be used meanwhile, and no cached metadata may outlive a repair. Memory and
// time are proportional to the size of the image's metadata, whatever its content. Errors: those of
// the file, and unsupported for an image with persistent bitmaps. Findings are not errors.
Result<block::CheckReport> check(HostFile& file, Header& header, const block::CheckRequest& request,
                                 CheckClient* client = nullptr);

// As check() with every repair, for an image that was not closed cleanly. This function corrects
// refcounts in place where check() rebuilds them as qemu-img does. An image that cannot be repaired
// wholly is not an error: the caller tests corruptions and check_errors of the report.
using ReportLine = std::function<void(const std::string& line)>;
Result<block::CheckReport> repair_after_crash(HostFile& file, Header& header,
                                              CheckClient* client = nullptr,
                                              const ReportLine& report = {});

// Returns whether no refcount is lower than the number of references, so that every cluster with
// refcount 0 is free. Returns false also if that is uncertain because some references or refcounts
// cannot be read. Other damage, such as leaks and wrong COPIED flags, does not matter. Nothing is
// written. The image must not be used meanwhile. Errors as for check(). `client` may be null.
Result<bool> refcounts_suffice(HostFile& file, Header& header, const block::Progress& progress,
                               CheckClient* client);

} // namespace qcow2

#endif
