// For builds without libxxhash.
#include "block/dedup/hash-functions.h"

namespace dedup {

HashFunction* xxh3_128_function() {
  return nullptr;
}

} // namespace dedup
