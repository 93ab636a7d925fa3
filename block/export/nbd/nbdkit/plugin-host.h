// PluginHost: the interface between the nbdkit plugin and the daemon that runs in it.
//
// The plugin handles nbdkit and the clients. Configuration, block graph and monitor belong to the
// host, which the monitor folder defines. The host does not depend on which program loads the
// plugin. The functions are called in the order of their declaration, on the main thread.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_PLUGIN_HOST_H
#define BLOCK_EXPORT_NBD_NBDKIT_PLUGIN_HOST_H

#include "block/export/nbd/nbd-exports.h"

namespace exports {

class PluginHost {
public:
  virtual ~PluginHost() = default;

  // Takes an option of the daemon, by its name without dashes.
  virtual block::Result<void> add_option(const std::string& option, const std::string& text) = 0;
  // Adds a node for the file, and the export of it for clients that request no name. The first
  // bytes of the file determine the format if `format` is empty.
  virtual void add_disk(const std::string& file, const std::string& format, bool writable) = 0;
  // Called after the last option and disk.
  virtual bool has_exports() const = 0;
  // Called before the process forks, if a user at a terminal should see errors then: tries to open
  // the nodes. Must start no thread and take no lock.
  virtual block::Result<void> validate() = 0;
  // Called after the process has forked and its socket listens: opens nodes, adds exports, starts
  // the monitor. `request_quit` makes the process end; it may be called on any thread. When
  // everything is served, announces it at `ready_fd`, unless that is negative.
  virtual block::Result<void> start(std::function<void()> request_quit, int ready_fd) = 0;
  // May be called only between start() and stop(); any thread.
  virtual NbdExports& exports() = 0;
  // Called after the last connection has ended: makes everything durable and closes it.
  virtual block::Result<void> stop() = 0;
};

// Defined by the program that links the plugin.
std::unique_ptr<PluginHost> make_plugin_host();

} // namespace exports

#endif
