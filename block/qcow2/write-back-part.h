// WriteBackPart: tables that one write-back stores together. Image::write_back() determines the
// order of the parts.
#ifndef BLOCK_QCOW2_WRITE_BACK_PART_H
#define BLOCK_QCOW2_WRITE_BACK_PART_H

#include "block/qcow2/format.h"
#include "block/result.h"

#include <cstddef>
#include <vector>

namespace qcow2 {

class Metadata;

// A changed piece of a table, copied out so that it is written without the metadata lock.
struct TableWrite {
  HostOffset table;       // start of the table
  std::size_t first_byte; // within it
  std::vector<std::byte> bytes;
};

// All functions are called with the metadata lock held.
class WriteBackPart {
public:
  virtual ~WriteBackPart() = default;
  // Copies every changed piece out and marks it unchanged. The caller must call end_write_back()
  // after it has written the pieces, or failed to.
  virtual std::vector<TableWrite> begin_write_back() = 0;
  // `durable`: the pieces are in the file. Otherwise they count as changed again.
  virtual void end_write_back(const std::vector<TableWrite>& writes, bool durable) = 0;
};

// Tables that hold only hints. They are written back when they take too much memory, and before a
// clean close. A piece that cannot be written is lost, and the write-back goes on.
class HintTables : public WriteBackPart {
public:
  virtual bool wants_write_back() const = 0;
  // Merges waiting changes into the tables, as far as they fit. Called before begin_write_back(),
  // and whenever a write-back is wanted. May allocate. Writes nothing except tables that move.
  // Error: corrupt.
  virtual block::Result<void> prepare_write_back(Metadata& metadata) = 0;
  // Number of changes that still wait.
  virtual std::size_t waiting_changes() const = 0;
  // Called before end_write_back(): this piece cannot be written.
  virtual void table_lost(Metadata& metadata, const TableWrite& write, const block::Error& why) = 0;
};

} // namespace qcow2

#endif
