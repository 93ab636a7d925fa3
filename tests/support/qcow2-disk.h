// A qcow2 image in RAM, used through the real driver, with the verbs that tests need.
#ifndef TESTS_SUPPORT_QCOW2_DISK_H
#define TESTS_SUPPORT_QCOW2_DISK_H

#include "block/job.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/header.h"
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace block {

struct DiskShape {
  unsigned cluster_bits = 12;
  std::uint64_t guest_clusters = 64;
  bool dedup = true;
  unsigned refcount_bits = 16;
  Options create = {}; // further options of create
  Options open = {};   // further node options, for every open
  bool debug = false;  // put a blkdebug node above the file
};

enum class Repair { leaks, all };

struct DiskCheck {
  CheckReport report;
  std::vector<std::string> lines;
  std::string error; // empty if the check ran
};

// Creates the image and opens it for writing. Offsets are in bytes; guest and host clusters are
// numbers of clusters.
class Qcow2Disk {
public:
  explicit Qcow2Disk(DiskShape shape = {});
  // Opens an existing image.
  Qcow2Disk(DiskShape shape, std::vector<std::byte> content);
  ~Qcow2Disk();
  Qcow2Disk(const Qcow2Disk&) = delete;
  Qcow2Disk& operator=(const Qcow2Disk&) = delete;

  // --- Opening and closing. ---
  Result<void> try_open(Options further = {}, Graph::OpenDefaults defaults = {});
  void open(Options further = {}, Graph::OpenDefaults defaults = {});
  Result<void> close();
  void reopen() {
    EXPECT_TRUE(succeeded(close()));
    open();
  }
  // The program ends without closing the image. The file keeps everything that was written.
  void kill() { end_with(file->content()); }
  // A power failure. The file keeps everything that was flushed.
  void cut_power() { end_with(file->durable_content()); }
  void wait_for_index();
  // Waits until deduplication runs and nothing is left to scan.
  void wait_for_scan();

  // --- Requests. ---
  std::uint64_t cluster_bytes() const { return std::uint64_t{1} << shape_.cluster_bits; }
  std::uint64_t guest_bytes() const { return shape_.guest_clusters * cluster_bytes(); }
  // Returns the content of one cluster, different for each seed.
  std::string pattern(unsigned seed) const { return block::pattern(cluster_bytes(), seed); }
  std::string zeros() const { return block::zeros(cluster_bytes()); }
  Result<void> try_write(std::uint64_t guest, const std::string& data) {
    return block::write(node(), guest * cluster_bytes(), data);
  }
  void write(std::uint64_t guest, const std::string& data) {
    EXPECT_TRUE(succeeded(try_write(guest, data)));
  }
  void write_at(std::uint64_t offset, const std::string& data) {
    EXPECT_TRUE(succeeded(block::write(node(), offset, data)));
  }
  std::string read(std::uint64_t guest, std::uint64_t clusters = 1) {
    return block::read(node(), guest * cluster_bytes(), clusters * cluster_bytes());
  }
  // Returns whether the guest reads `expected` from this cluster on. The failure message names the
  // first difference, without data.
  testing::AssertionResult holds(std::uint64_t guest, const std::string& expected);
  void flush() { EXPECT_TRUE(succeeded(node().co_flush())); }
  void discard(std::uint64_t guest, std::uint64_t clusters = 1) {
    EXPECT_TRUE(succeeded(node().co_pdiscard(guest * cluster_bytes(), clusters * cluster_bytes())));
  }
  void write_zeroes(std::uint64_t guest, std::uint64_t clusters, bool may_unmap);
  // Writes the content of every cluster to a further owner, overwrites each former owner, and
  // compares. This detects content that is shared with a cluster which its owner overwrites in
  // place, no matter when it was shared.
  void share_and_overwrite();
  bool is_open() const { return node_ != nullptr; }

  // --- Facts from the driver of the open image. ---
  Node& node() { return *node_; }
  BlockStatus status(std::uint64_t guest);
  // Returns the host cluster of a guest cluster, or nothing if it has none.
  std::optional<std::uint64_t> host_of(std::uint64_t guest);
  // Returns the number of references to its host cluster.
  std::uint64_t refcount_of(std::uint64_t guest) { return status(guest).owners; }
  DedupInfo counters();

  // --- Content of the file. ---
  qcow2::Header header() const;
  std::uint64_t file64(std::uint64_t offset) const;
  void set_file64(std::uint64_t offset, std::uint64_t value);
  // For a closed, deduplicated image; see image-edits.h.
  qcow2_dedup::Extension extension() const;
  void set_extension(const qcow2_dedup::Extension& extension);
  void record_tables_digest();
  // Returns 0 if there is no L2 table.
  std::uint64_t l2_entry(std::uint64_t guest) const;
  // Returns the offset of that L2 entry in the file.
  std::uint64_t l2_entry_place(std::uint64_t guest) const;
  bool copied(std::uint64_t guest) const { return (l2_entry(guest) & qcow2::copied_flag) != 0; }
  std::uint64_t stored_refcount(std::uint64_t host) const;

  // --- Checks. Of an open image, a copy of its present content is checked. ---
  DiskCheck check();
  // Repairs the file itself, as check -r does.
  DiskCheck repair(Repair what);
  // Expects no finding by our check, and by stock qemu-img exactly this number of leaks and no
  // other finding.
  void expect_clean(std::uint64_t stock_leaks);
  // The same. The expected number of stock leaks is the number of clusters of the dedup table.
  void expect_clean() { expect_clean(table_clusters()); }
  // Expects no corruption. Leaks are allowed.
  void expect_consistent();
  // Returns the number of host clusters that the dedup table occupies, read from the file.
  std::uint64_t table_clusters() const;

  // The background scan while it runs or is paused; null if it does not.
  std::shared_ptr<Job> scan() const { return jobs.find("dedup-disk"); }

  std::shared_ptr<MemoryFile> file;
  std::atomic<unsigned> scans = 0; // how many have begun
  JobList jobs{[this](const Job&, JobStatus status) {
    if (status == JobStatus::created) ++scans;
  }};
  Graph graph{&jobs};

private:
  void end_with(std::vector<std::byte> content);

  DiskShape shape_;
  std::shared_ptr<Node> node_;
};

// Records the ranges of the file that are written, by a hook, while the object lives.
class WriteWatch {
public:
  explicit WriteWatch(MemoryFile& file);
  ~WriteWatch() { file_.set_hook({}); }
  // Returns the number of writes that overlap that host cluster.
  std::size_t writes_to(std::uint64_t host_cluster, std::uint64_t cluster_bytes) const;
  std::size_t writes() const;

private:
  MemoryFile& file_;
  struct Log {
    std::mutex mutex;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> writes; // offset, bytes
  };
  std::shared_ptr<Log> log_ = std::make_shared<Log>();
};

} // namespace block

#endif
