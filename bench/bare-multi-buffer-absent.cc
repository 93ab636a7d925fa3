// BareMultiBuffer in a build without the library.
#include "bench/bare-multi-buffer.h"

namespace bench {

std::unique_ptr<BareMultiBuffer> BareMultiBuffer::create() {
  return nullptr;
}

} // namespace bench
