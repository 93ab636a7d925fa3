// File names: protocol prefixes, and the backing file names in images.
#include "block/node/file-name.h"

#include "block/graph.h"

#include <sys/stat.h>

namespace block {

std::optional<FileIdentity> identify_file(const std::string& filename) {
  struct stat status;
  if (::stat(filename.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{status.st_dev, status.st_ino};
}

std::string protocol_of(const std::string& filename) {
  const std::size_t position = filename.find_first_of(":/");
  if (position == std::string::npos || filename[position] != ':') return {};
  std::string protocol = filename.substr(0, position);
  return protocol == "file" ? std::string() : protocol;
}

std::string without_protocol(const std::string& filename, const std::string& protocol) {
  const std::string prefix = protocol + ":";
  return filename.starts_with(prefix) ? filename.substr(prefix.size()) : filename;
}

Options options_for_filename(const std::string& filename, const std::string& format) {
  Options options;
  if (!format.empty()) options.set("driver", format);
  // A protocol given as format: the bytes of the file are those of the disk.
  if (auto driver = DriverRegistry::instance().find(format); driver && (*driver)->is_protocol) {
    options.set("filename", filename);
    return options;
  }
  const std::string protocol = protocol_of(filename);
  options.set("file.driver", protocol.empty() ? "file" : protocol);
  options.set("file.filename", filename);
  return options;
}

Result<std::string> resolve_backing_filename(const std::string& overlay,
                                             const std::string& backing) {
  if (backing.empty() || backing.find('\0') != std::string::npos)
    return Error(ErrorKind::invalid_argument, "The backing file name is not a file name");
  // An image is not trusted to choose anything but a file. For every other kind of name (json:,
  // nbd:, ...) the user has to give the options.
  if (!protocol_of(backing).empty())
    return Error(ErrorKind::invalid_argument,
                 "The backing file name '" + backing + "' does not name a plain file");
  const std::string name = without_protocol(backing, "file");
  if (name.starts_with('/')) return name;
  const std::string base = without_protocol(overlay, "file");
  const std::size_t slash = base.rfind('/');
  return slash == std::string::npos ? name : base.substr(0, slash + 1) + name;
}

} // namespace block
