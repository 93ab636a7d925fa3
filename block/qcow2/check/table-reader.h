// TableReader: reads the tables of an image, all of one size, with few requests.
#ifndef BLOCK_QCOW2_CHECK_TABLE_READER_H
#define BLOCK_QCOW2_CHECK_TABLE_READER_H

#include "block/qcow2/host-file.h"
#include "block/util/aligned-buffer.h"

namespace qcow2 {

// It reads neighbouring tables ahead in one request, and does not read holes of the file: an image
// file can name millions of tables and yet hold almost no bytes. One thread.
class TableReader {
public:
  TableReader(HostFile& file, std::uint64_t table_bytes);

  // Returns the table at `offset`: memory of this object, valid until the next call. The caller may
  // change it and call store(). An empty span: the table is a hole, all zeros. Errors: those of
  // reading this table; an error of its neighbours does not matter.
  Result<std::span<std::byte>> read(HostOffset offset);

  // Writes the bytes [begin, end) of the table that was read last, rounded out to whole sectors.
  Result<void> store(std::uint64_t begin, std::uint64_t end);

private:
  bool is_hole(HostOffset offset);
  Result<void> fill_window(HostOffset offset, std::uint64_t bytes);

  HostFile& file_;
  std::uint64_t table_bytes_;
  block::AlignedBuffer window_;
  HostOffset window_start_;
  std::uint64_t window_bytes_ = 0; // valid bytes in window_
  HostOffset last_;                // the table read last
  HostOffset no_ahead_before_;     // a read-ahead up to here failed
  std::uint64_t bytes_read_ = 0;   // bytes of tables read in all
  // The extent of the file that was looked up last.
  struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool hole = false;
  } extent_;
};

} // namespace qcow2

#endif
