// PluginOptions: which arguments are the plugin's own, and which are the daemon's.
#include "block/export/nbd/nbdkit/plugin-options.h"

namespace exports {

using block::Error;
using block::ErrorKind;
using block::Result;

const char plugin_options_help[] =
    "[file=]PATH     image to serve; its format is found by its first bytes\n"
    "format=NAME     format of file=, not probed\n"
    "readonly=on     open file= read-only\n"
    "qmp=PATH        Unix socket for QMP\n"
    "parallel=on     several requests of one connection at once, whatever nbdkit's version\n"
    "module=PATH     block driver module to load\n"
    "blockdev=, export=, chardev=, monitor=, pidfile=\n"
    "                as the options of dedup-storage-daemon";

Result<void> PluginOptions::take(const std::string& key, const std::string& value) {
  block::Options one{{key, value}};
  if (key == "parallel") {
    BLOCK_TRY_ASSIGN(parallel_, one.take_bool(key, false));
  } else if (key == "readonly") {
    BLOCK_TRY_ASSIGN(read_only_, one.take_bool(key, false));
  } else if (key == "ready-fd") {
    BLOCK_TRY_ASSIGN(const std::uint64_t number, one.take_number(key, 0));
    ready_fd_ = static_cast<int>(number);
  } else if (key == "program") {
    program_ = value;
  } else if (key == "file") {
    if (file_)
      return Error(ErrorKind::invalid_argument,
                   "file= is given twice: use blockdev= and export= for several images");
    file_ = value;
  } else if (key == "format") {
    format_ = value;
  } else if (key == "qmp") {
    return add_qmp(value);
  } else if (program_.empty() && (key == "nbd-server" || key == "object")) {
    return Error(ErrorKind::invalid_argument,
                 key + "=: address and TLS are options of nbdkit itself");
  } else {
    return host_.add_option(key, value);
  }
  return {};
}

Result<void> PluginOptions::finish() {
  if (file_) host_.add_disk(*file_, format_, !read_only_);
  if (program_.empty() && !host_.has_exports())
    return Error(ErrorKind::invalid_argument,
                 "nothing to serve: give file=PATH, or blockdev= and export=");
  return {};
}

Result<void> PluginOptions::add_qmp(const std::string& path) {
  std::string doubled; // a comma in the path is doubled in an option's text
  for (char character : path)
    doubled += character == ',' ? std::string(",,") : std::string(1, character);
  BLOCK_TRY(host_.add_option("chardev", "socket,server=on,wait=off,id=qmp,path=" + doubled));
  return host_.add_option("monitor", "chardev=qmp");
}

} // namespace exports
