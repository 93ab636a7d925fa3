// DataFile: pieces of guest data, written in as few requests as possible.
#include "block/qcow2/data-file.h"

namespace qcow2 {

Result<void> DataFile::write(std::vector<DataWrite> writes) {
  for (std::size_t first = 0; first < writes.size();) {
    IoVector data = std::move(writes[first].data);
    std::size_t next = first + 1;
    while (next < writes.size() && writes[next].offset == writes[first].offset + data.size())
      data.append(writes[next++].data);
    file_.event(block::DebugEvent::write_aio);
    BLOCK_TRY(file_.write(writes[first].offset, data));
    first = next;
  }
  return {};
}

} // namespace qcow2
