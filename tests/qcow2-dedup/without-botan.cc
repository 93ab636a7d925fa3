// Makes libbotan a library without hashes: the linker prefers this function to the library's own.
#include <botan/hash.h>

std::unique_ptr<Botan::HashFunction> Botan::HashFunction::create(const std::string&,
                                                                 const std::string&) {
  return nullptr;
}
