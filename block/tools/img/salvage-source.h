// SalvageSource: a source whose damage does not end the conversion.
#ifndef BLOCK_TOOLS_IMG_SALVAGE_SOURCE_H
#define BLOCK_TOOLS_IMG_SALVAGE_SOURCE_H

#include "block/job/copy-source.h"

namespace tools::img {

// Reads as `source`, but sectors that cannot be read become zeros, with a warning for each one.
// Ranges of unknown status are data. The source must outlive this object.
class SalvageSource final : public block::CopySource {
public:
  explicit SalvageSource(const block::CopySource& source) : source_(source) {}

  std::uint64_t length() const override { return source_.length(); }
  block::Result<Run> run_at(std::uint64_t offset, std::uint64_t bytes) const override;
  block::Result<void> read(std::uint64_t offset, std::span<std::byte> data) const override;

private:
  const block::CopySource& source_;
};

} // namespace tools::img

#endif
