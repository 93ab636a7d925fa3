// libFuzzer: any bytes as an image, checked, repaired, checked again and used.
#include "tests/fuzz/hostile-image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  fuzz::HostileImage image(fuzz::Bytes(bytes.begin(), bytes.end()));
  (void)image.check(false, true);
  fuzz::check_and_repair(image);
  return 0;
}
