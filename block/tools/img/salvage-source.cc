// SalvageSource: reads sector by sector if a read fails.
#include "block/tools/img/salvage-source.h"

#include "block/sector.h"
#include "block/tools/common/program.h"

#include <algorithm>
#include <cstring>

namespace tools::img {

using block::Result;

namespace {
// Length of a run of unknown status. The status may be known again after it.
constexpr std::uint64_t unknown_bytes = 2 * 1024 * 1024;
} // namespace

Result<block::CopySource::Run> SalvageSource::run_at(std::uint64_t offset,
                                                     std::uint64_t bytes) const {
  Result<Run> run = source_.run_at(offset, bytes);
  if (run) return run;
  return Run{Kind::data, std::min(unknown_bytes, bytes)};
}

Result<void> SalvageSource::read(std::uint64_t offset, std::span<std::byte> data) const {
  if (source_.read(offset, data)) return {};
  // Reads sector by sector, so that every readable sector is kept.
  using block::sector_bytes;
  for (std::uint64_t done = 0; done < data.size(); done += sector_bytes) {
    std::span<std::byte> part =
        data.subspan(done, std::min<std::uint64_t>(sector_bytes, data.size() - done));
    Result<void> read = source_.read(offset + done, part);
    if (read) continue;
    report_warning("error while reading offset " + std::to_string(offset + done) + ": " +
                   std::strerror(read.error().errno_value()));
    std::ranges::fill(part, std::byte{0});
  }
  return {};
}

} // namespace tools::img
