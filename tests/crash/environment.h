// Numbers that the environment gives to these tests.
#ifndef TESTS_CRASH_ENVIRONMENT_H
#define TESTS_CRASH_ENVIRONMENT_H

#include <cstdint>
#include <cstdlib>

namespace crash {

inline std::uint64_t environment(const char* name, std::uint64_t absent) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : absent;
}

} // namespace crash

#endif
