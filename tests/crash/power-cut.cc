// PowerCut: enumeration, and the images that power cuts leave.
#include "tests/crash/power-cut.h"

#include <algorithm>
#include <random>

namespace crash {

using block::MemoryChange;

namespace {

using Random = std::mt19937_64;

// A disk writes sectors whole, in any order.
void apply_some_sectors(Bytes& image, const MemoryChange& change, Random& random) {
  if (change.kind != MemoryChange::Kind::write) return block::apply_change(image, change);
  // Half of the tears leave the beginning, which is what most disks do.
  bool beginning = random() % 2 == 0;
  std::uint64_t first_sector = change.offset / sector_bytes;
  std::uint64_t sectors =
      (change.offset + change.bytes + sector_bytes - 1) / sector_bytes - first_sector;
  std::uint64_t kept = random() % (sectors + 1);
  for (std::uint64_t i = 0; i < sectors; ++i) {
    bool reached = beginning ? i < kept : random() % 2 == 0;
    if (!reached) continue;
    std::uint64_t begin = std::max(change.offset, (first_sector + i) * sector_bytes);
    std::uint64_t end =
        std::min(change.offset + change.bytes, (first_sector + i + 1) * sector_bytes);
    auto data = change.data.begin() + static_cast<std::ptrdiff_t>(begin - change.offset);
    block::apply_change(image, {MemoryChange::Kind::write,
                                begin,
                                {data, data + static_cast<std::ptrdiff_t>(end - begin)},
                                end - begin,
                                false});
  }
}

void apply_by_chance(Bytes& image, const MemoryChange& change, Random& random) {
  switch (random() % 5) {
  case 0:
  case 1:
    return;
  case 2:
    return apply_some_sectors(image, change, random);
  default:
    return block::apply_change(image, change);
  }
}

} // namespace

std::string PowerCut::describe() const {
  std::string number = std::to_string(which);
  switch (kind) {
  case Kind::nothing:
    return "no write reached the disk";
  case Kind::everything:
    return "every write reached the disk";
  case Kind::prefix:
    return "the first " + number + " writes reached the disk";
  case Kind::only:
    return "write " + number + " alone reached the disk";
  case Kind::all_but:
    return "all but write " + number + " reached the disk";
  case Kind::torn:
    return "the writes before " + number + " and some sectors of it reached the disk";
  case Kind::torn_alone:
    return "some sectors of write " + number + " alone reached the disk";
  case Kind::subset:
    break;
  }
  return "a subset of the writes reached the disk, number " + number;
}

std::vector<PowerCut> power_cuts(const Epoch& epoch, std::size_t subsets) {
  using enum PowerCut::Kind;
  std::size_t writes = epoch.changes.size();
  std::vector<PowerCut> cuts = {{nothing}};
  if (writes == 0) return cuts;
  cuts.push_back({everything});
  for (std::size_t i = 0; i < writes; ++i) {
    cuts.push_back({torn, i});
    if (writes == 1) break;
    for (PowerCut::Kind kind : {only, all_but, torn_alone})
      cuts.push_back({kind, i});
    if (i > 0) cuts.push_back({prefix, i});
  }
  for (std::size_t i = 0; writes > 2 && i < subsets; ++i)
    cuts.push_back({subset, i});
  return cuts;
}

Bytes image_after(const Bytes& durable, const Epoch& epoch, PowerCut cut, std::uint64_t seed) {
  using enum PowerCut::Kind;
  Random random(seed);
  Bytes image = durable;
  for (std::size_t i = 0; i < epoch.changes.size(); ++i) {
    const MemoryChange& change = epoch.changes[i];
    bool torn_here = (cut.kind == torn || cut.kind == torn_alone) && i == cut.which;
    bool whole = cut.kind == everything || (cut.kind == prefix && i < cut.which) ||
                 (cut.kind == only && i == cut.which) || (cut.kind == all_but && i != cut.which) ||
                 (cut.kind == torn && i < cut.which);
    if (change.durable)
      block::apply_change(image, change);
    else if (cut.kind == subset)
      apply_by_chance(image, change, random);
    else if (torn_here)
      apply_some_sectors(image, change, random);
    else if (whole)
      block::apply_change(image, change);
  }
  return image;
}

} // namespace crash
