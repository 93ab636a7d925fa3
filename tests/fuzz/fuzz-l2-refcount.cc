// libFuzzer: a valid image whose header, tables, refcounts and dedup table contradict each other;
// used as it is, repaired, and used again.
#include "tests/fuzz/patches.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fuzz::Part;
  if (size < 2) return 0;
  const fuzz::BaseImage& base = fuzz::base_images()[data[0] % fuzz::base_images().size()];
  const Part parts[] = {Part::header,
                        Part::l1,
                        Part::l2,
                        Part::refcount_table,
                        Part::refcount_blocks,
                        Part::dedup_extension,
                        Part::dedup_table,
                        Part::hash_blocks};
  fuzz::Bytes patched = fuzz::patched(base, parts, {data + 2, size - 2});
  const std::size_t bytes = patched.size();
  fuzz::HostileImage image(std::move(patched), bytes + (4 << 20));
  const fuzz::Bytes content = image.content();
  // Repair of what was damaged, or of what use made of the damage.
  if (data[1] & 1) {
    if (image.open({{"dedup-verify", data[1] & 2 ? "on" : "off"},
                    {"pass-discard-other", data[1] & 4 ? "on" : "off"}})) {
      image.wait_for_index();
      image.write_somewhere();
      image.read_somewhere();
      image.close();
    }
  } else if (image.open({}, true)) {
    image.read_somewhere();
    image.close();
    fuzz::require(image.holds(content), "a reader leaves the image alone");
  }
  fuzz::check_and_repair(image);
  return 0;
}
