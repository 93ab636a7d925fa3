// DataFile: access to guest data by host offset. Metadata goes through HostFile.
#ifndef BLOCK_QCOW2_DATA_FILE_H
#define BLOCK_QCOW2_DATA_FILE_H

#include "block/qcow2/host-file.h"

#include <vector>

namespace qcow2 {

// A piece of guest data and its host offset.
struct DataWrite {
  HostOffset offset;
  IoVector data;
};

// The data is in the image file, beside the metadata: HostFile::barrier() makes both durable. Any
// thread. Errors are those of HostFile.
class DataFile {
public:
  // `file` must outlive the object.
  explicit DataFile(HostFile& file) : file_(file) {}

  Result<void> read(HostOffset offset, const IoVector& vector) {
    return file_.read(offset, vector);
  }
  Result<void> read(HostOffset offset, std::span<std::byte> bytes) {
    return file_.read(offset, bytes);
  }
  // Neighbours form one request; the event write_aio is reported before each request. After an
  // error some of the pieces may be written.
  Result<void> write(std::vector<DataWrite> writes);
  // As HostFile::is_on_medium().
  Result<bool> is_on_medium(HostOffset offset, std::span<const std::byte> bytes) {
    return file_.is_on_medium(offset, bytes);
  }
  // As HostFile::punch(), for clusters that are free and held.
  Result<void> punch(HostOffset offset, std::uint64_t bytes) { return file_.punch(offset, bytes); }

private:
  HostFile& file_;
};

} // namespace qcow2

#endif
