// A small image made byte by byte, to be damaged at named places and then checked.
#ifndef TESTS_QCOW2_CHECK_CHECK_IMAGE_H
#define TESTS_QCOW2_CHECK_CHECK_IMAGE_H

#include "block/graph.h"
#include "block/qcow2/check/check.h"

#include <string>
#include <vector>

namespace qcow2 {

// Where things lie in a CheckImage, in host clusters; as in a new image of qemu-img, if one
// refcount block is enough for all.
struct CheckImageShape {
  unsigned cluster_bits = 16;
  unsigned refcount_order = 4;
  std::uint64_t guest_clusters = 64;
  std::uint64_t data_clusters = 8; // the first of the guest clusters, and the last of the file
};

struct CheckOutcome {
  block::CheckReport report;
  std::vector<std::string> lines;
  std::string error; // empty unless the check failed
};

// Owns the bytes of an image file. Guest cluster i holds the byte i + 1.
class CheckImage {
public:
  explicit CheckImage(CheckImageShape shape = {});

  // --- Places, in host clusters. ---
  static constexpr std::uint64_t refcount_table = 1;
  static constexpr std::uint64_t refcount_block = 2;
  std::uint64_t l1() const { return refcount_block + refcount_blocks_; }
  std::uint64_t l2() const { return l1() + 1; }
  std::uint64_t data(std::uint64_t guest_cluster = 0) const { return l2() + 1 + guest_cluster; }
  std::uint64_t end() const { return data(shape_.data_clusters); }
  std::uint64_t offset(std::uint64_t cluster) const { return cluster << shape_.cluster_bits; }
  std::uint64_t cluster_bytes() const { return offset(1); }

  // --- Fields, as they stand in the file. ---
  void set_l1_entry(std::uint64_t index, std::uint64_t raw) {
    set64(offset(l1()) + index * 8, raw);
  }
  void set_l2_entry(std::uint64_t index, std::uint64_t raw) {
    set64(offset(l2()) + index * 8, raw);
  }
  std::uint64_t l1_entry(std::uint64_t index) const { return get64(offset(l1()) + index * 8); }
  std::uint64_t l2_entry(std::uint64_t index) const { return get64(offset(l2()) + index * 8); }
  void set_refcount_table_entry(std::uint64_t index, std::uint64_t raw) {
    set64(offset(refcount_table) + index * 8, raw);
  }
  void set_refcount(std::uint64_t cluster, std::uint64_t count);
  std::uint64_t refcount(std::uint64_t cluster) const; // through the header, 0 without a block
  void set_features(std::uint64_t incompatible) { set64(header_features_field, incompatible); }
  std::uint64_t features() const { return get64(header_features_field); }
  Header header() const;

  void set64(std::uint64_t at, std::uint64_t value);
  std::uint64_t get64(std::uint64_t at) const; // 0 beyond the end
  // The content of the clusters that held data at first.
  std::vector<std::byte> data_bytes() const;
  std::vector<std::byte>& bytes() { return bytes_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  // The host has no space for a longer file.
  void set_full() { full_ = true; }
  bool full() const { return full_; }

  // Checks the image in a file in memory, and takes over what a repair made of it.
  CheckOutcome check(bool repair_leaks = false, bool repair_errors = false,
                     CheckClient* client = nullptr);
  CheckOutcome repair_all(CheckClient* client = nullptr) { return check(true, true, client); }
  CheckOutcome repair_after_crash(CheckClient* client = nullptr);

  // What stock qemu-img check says: its exit code, -1 if it is not installed. Its findings are
  // added to `findings`, if given.
  int stock_check(std::vector<std::string>* findings = nullptr) const;

private:
  template <typename Action>
  CheckOutcome run(Action action);

  CheckImageShape shape_;
  std::uint64_t refcount_blocks_ = 1;
  std::vector<std::byte> bytes_;
  bool full_ = false;
};

// A file that is gone with the object.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::vector<std::byte>& content);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  std::vector<std::byte> content() const;

private:
  std::string path_;
};

} // namespace qcow2

#endif
