// Examines an image and repairs it, by a walk of its own that shares no code with what writes
// images.
#ifndef BLOCK_QCOW2_CHECK_CHECK_H
#define BLOCK_QCOW2_CHECK_CHECK_H

#include "block/qcow2/check/findings.h"
#include "block/qcow2/check/references.h"
#include "block/qcow2/header.h"
#include "block/qcow2/host-file.h"

namespace qcow2 {

// What sits on top of an image and keeps metadata in it that the standard does not know, so that
// their clusters are not taken for leaks and so that it can check itself by the same walk. All
// calls on the checking thread, in this order; an error ends the check.
class CheckClient {
public:
  virtual ~CheckClient() = default;

  // Everything the standard knows is counted. Names each piece of extra metadata by
  // references.claim(); a piece that cannot be claimed is damage, to be reported by findings and
  // dropped if findings.repairs().
  virtual Result<void> claim_metadata(References& references, CheckFindings& findings) = 0;

  // The repair has no space for what it must write. If extra metadata was claimed that the image
  // can do without, drops it durably, takes its references back, and returns true.
  virtual Result<bool> give_up_metadata(References&, CheckFindings&) { return false; }

  // Autoclear features that stay true through a repair; all others are cleared before it begins.
  virtual std::uint64_t autoclear_features() const { return 0; }

  // One L2 entry that names a host cluster which is not compressed, also if it reads as zeros;
  // `references` is how often that cluster is named in all. Refcounts and COPIED flags are repaired
  // by now, if they can be. An L2 table that several L1 entries share is told once, for the first
  // of them.
  virtual void data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) = 0;

  // Every reference has been told. Reports findings, and repairs by writing to the image if
  // findings.repairs(); what is written here is durable before the image is marked clean.
  // Calls `step` as it goes on, if that takes long: about as often as steps() says. Returns true to
  // have every reference told once more, and this called again: if not all of them fit into memory.
  virtual Result<bool> finish(const References& references, CheckFindings& findings,
                              const CheckStep& step) = 0;

  // How many clusters finish() reads, at most; 0 = not worth showing. Asked before all else.
  virtual std::uint64_t steps() const { return 0; }

  // Asked after finish(): it gave metadata up whose clusters had been counted as in use. An image
  // that is marked dirty stays so, and the next repair frees them.
  virtual bool needs_another_repair() const { return false; }
};

// Examines the image; repairs it as far as `request` says. Finding lines and counters are those of
// qemu-img check. `header` is what the file says and has passed check_supported() and
// check_l1_place(); with repair it is changed along with the file (place of the refcount table,
// features). `client` may be null.
//
// Guest data is never written. Repair writes refcounts and tables first, makes them durable, and
// only then clears "dirty" and "corrupt", if no corruption and nothing unexamined is left. Safe to
// break off anywhere: every step leaves an image that is not worse than before. As long as part of
// the mapping cannot be read, no refcount is lowered.
//
// The image must not be used meanwhile, and no cached metadata outlive a repair. Memory and time
// follow the size of the image's metadata, whatever that metadata says. Errors: those of the file,
// and unsupported for an image with persistent bitmaps; findings are no errors.
Result<block::CheckReport> check(HostFile& file, Header& header, const block::CheckRequest& request,
                                 CheckClient* client = nullptr);

// The same as check() with every repair, for an image that was not closed cleanly. Refcounts are
// corrected in place where check() rebuilds them as qemu-img does. An image that cannot be repaired
// wholly is not an error here: look at corruptions and check_errors.
using ReportLine = std::function<void(const std::string& line)>;
Result<block::CheckReport> repair_after_crash(HostFile& file, Header& header,
                                              CheckClient* client = nullptr,
                                              const ReportLine& report = {});

// Whether no refcount is lower than the number of references, so that every cluster with refcount
// 0 is free. False also if that is not certain, because not all references or refcounts can be
// read. What else may be wrong with the image, as leaks and COPIED flags, does not matter. Nothing
// is written. The image must not be used meanwhile; errors as for check(), `client` may be null.
Result<bool> refcounts_suffice(HostFile& file, Header& header, const block::Progress& progress,
                               CheckClient* client);

} // namespace qcow2

#endif
