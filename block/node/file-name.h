// The identity of the file behind a name.
#ifndef BLOCK_NODE_FILE_NAME_H
#define BLOCK_NODE_FILE_NAME_H

#include <compare>
#include <optional>
#include <string>
#include <sys/types.h>

namespace block {

// Device and inode: equal for two names of one file, with any links and dots in the names.
struct FileIdentity {
  dev_t device;
  ino_t inode;
  auto operator<=>(const FileIdentity&) const = default;
};

// Returns nothing if there is no such file.
std::optional<FileIdentity> identify_file(const std::string& filename);

} // namespace block

#endif
