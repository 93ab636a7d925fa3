// libFuzzer: an image that is right but for its dedup table and extension. The table is a hint, so
// the guest's data is right whatever it says, as long as matches are compared: because the user
// asked for it, or because the table is not trusted.
#include "tests/fuzz/guest-copy.h"
#include "tests/fuzz/patches.h"

#include <sstream>

namespace {

// The extension also says how long the file was, and whether it has lost its end.
bool errors_are_of_the_table(const std::string& lines) {
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("ERROR") && line.find("dedup table") == std::string::npos &&
        !line.starts_with("ERROR the image file "))
      return false;
  return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fuzz::Part;
  if (size < 2) return 0;
  const fuzz::BaseImage& base = fuzz::dedup_images()[data[0] % fuzz::dedup_images().size()];
  const Part parts[] = {Part::dedup_extension, Part::dedup_table, Part::hash_blocks,
                        Part::hash_blocks};
  const fuzz::Bytes content = fuzz::patched(base, parts, {data + 2, size - 2});
  const bool verify = data[1] & 1;
  fuzz::HostileImage image(content, content.size() + (4 << 20));
  fuzz::GuestCopy guest(base.guest);

  // A reader needs no table.
  if (image.open({}, true)) {
    guest.require_same(image.node(), "a reader sees the guest's data");
    image.close();
  }
  if (image.open({{"dedup-verify", verify ? "on" : "off"}})) {
    image.wait_for_index();
    auto info = image.node().query_dedup();
    // Without an extension that is one, the image is a plain one.
    const bool right = verify || !info || !info->table_trusted;
    if (right) {
      guest.require_same(image.node(), "a writer sees the guest's data");
      guest.write_and_compare(image.node());
      guest.share_and_overwrite(image.node());
    } else {
      image.write_somewhere();
      image.read_somewhere();
    }
    if (!image.close()) return 0;
    if (right && image.open({}, true)) {
      guest.require_same(image.node(), "the closed image holds the guest's data");
      image.close();
    }
    fuzz::CheckOutcome used = image.check(false);
    // What is wrong in the table itself may stay until a repair.
    fuzz::require(used.error.empty() && errors_are_of_the_table(used.lines),
                  "use does no harm: " + used.error + "\n" + used.lines);
  } else {
    fuzz::CheckOutcome repaired = image.check(true);
    if (repaired.error.empty() && image.open({}, true)) {
      guest.require_same(image.node(), "a repair leaves the guest's data alone");
      image.close();
    }
  }
  fuzz::check_and_repair(image);
  return 0;
}
