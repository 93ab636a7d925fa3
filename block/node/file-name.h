// Which file a name means.
#ifndef BLOCK_NODE_FILE_NAME_H
#define BLOCK_NODE_FILE_NAME_H

#include <compare>
#include <optional>
#include <string>
#include <sys/types.h>

namespace block {

// Equal for two names of one file, whatever links and dots lie between.
struct FileIdentity {
  dev_t device;
  ino_t inode;
  auto operator<=>(const FileIdentity&) const = default;
};

// The path in a file name that may have this protocol and a colon in front.
inline std::string without_protocol(const std::string& filename, const std::string& protocol) {
  const std::string prefix = protocol + ":";
  return filename.starts_with(prefix) ? filename.substr(prefix.size()) : filename;
}

// Nothing if there is no such file.
std::optional<FileIdentity> identify_file(const std::string& filename);

} // namespace block

#endif
