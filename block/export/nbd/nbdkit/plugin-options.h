// PluginOptions: the key=value arguments of the plugin.
//
// nbdkit is started either by the daemon, which adds program= and passes each of its options on, or
// by a user, who may give file= and other short forms instead.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_PLUGIN_OPTIONS_H
#define BLOCK_EXPORT_NBD_NBDKIT_PLUGIN_OPTIONS_H

#include "block/export/nbd/nbdkit/plugin-host.h"

namespace exports {

class PluginOptions {
public:
  explicit PluginOptions(PluginHost& host) : host_(host) {}

  // Takes one argument. Errors: invalid_argument, those of the host.
  block::Result<void> take(const std::string& key, const std::string& value);
  // To be called after the last one. Errors: invalid_argument if there is nothing to serve.
  block::Result<void> finish();

  // The name of the daemon that became this process, for messages; empty: a user started nbdkit.
  const std::string& program() const { return program_; }
  int ready_fd() const { return ready_fd_; } // negative: no process waits
  bool parallel() const { return parallel_; }

private:
  block::Result<void> add_qmp(const std::string& path);

  PluginHost& host_;
  std::string program_;
  std::optional<std::string> file_;
  std::string format_;
  int ready_fd_ = -1;
  bool read_only_ = false;
  bool parallel_ = false;
};

// The help of `nbdkit --help PLUGIN`.
extern const char plugin_options_help[];

} // namespace exports

#endif
