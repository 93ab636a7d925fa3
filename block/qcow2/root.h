// Root: the mapping of one disk, and the place in the file that records where its L1 table is.
#ifndef BLOCK_QCOW2_ROOT_H
#define BLOCK_QCOW2_ROOT_H

#include "block/qcow2/mapping.h"

namespace qcow2 {

class Metadata;

// Belongs to the image, see Metadata::add_root().
class Root {
public:
  // What the place records.
  struct Record {
    HostOffset l1_offset;
    std::uint32_t l1_entries = 0;
    std::uint64_t guest_size = 0; // bytes
  };

  explicit Root(Metadata& metadata);
  virtual ~Root() = default;
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  // Reads the L1 table. Errors as for Mapping::load().
  Result<void> load(Metadata& metadata);
  Mapping& mapping(Metadata&) { return mapping_; }

  virtual Record record(const Metadata& metadata) const = 0;
  // Makes a new record durable. After an error the old one is valid.
  virtual Result<void> store(Metadata& metadata, const Record& record) = 0;

private:
  Mapping mapping_;
};

// The root of the active disk, which the header records.
class HeaderRoot final : public Root {
public:
  using Root::Root;
  Record record(const Metadata& metadata) const override;
  Result<void> store(Metadata& metadata, const Record& record) override;
};

} // namespace qcow2

#endif
