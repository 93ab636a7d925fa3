// libFuzzer: any bytes as an image, opened for reading and for writing, read and written.
#include "tests/fuzz/hostile-image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  fuzz::HostileImage image(fuzz::Bytes(bytes.begin(), bytes.end()));
  const fuzz::Bytes content = image.content();
  if (image.open({}, true)) {
    image.read_somewhere();
    image.close();
    fuzz::require(image.holds(content), "a reader leaves the image alone");
  }
  if (image.open()) {
    image.wait_for_index();
    image.read_somewhere();
    image.write_somewhere();
    image.read_somewhere();
    image.close();
    if (image.open({}, true)) image.read_somewhere();
  }
  return 0;
}
