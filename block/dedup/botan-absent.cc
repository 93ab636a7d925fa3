// For builds without Botan.
#include "block/dedup/hash-functions.h"

namespace dedup {

HashFunction* skein_256_function() {
  return nullptr;
}

HashFunction* blake2b_256_function() {
  return nullptr;
}

} // namespace dedup
