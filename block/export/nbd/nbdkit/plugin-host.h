// PluginHost: the interface between the nbdkit plugin and the program that it serves.
//
// The plugin handles nbdkit and exports. Configuration, block graph and monitor belong to the host,
// which the monitor folder defines. The functions are called in the order of their declaration, on
// nbdkit's main thread.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_PLUGIN_HOST_H
#define BLOCK_EXPORT_NBD_NBDKIT_PLUGIN_HOST_H

#include "block/export/nbd/nbd-exports.h"

namespace exports {

class PluginHost {
public:
  virtual ~PluginHost() = default;

  // Handles one key=value of nbdkit's command line.
  virtual block::Result<void> configure(const std::string& key, const std::string& value) = 0;
  // Called after the last key=value.
  virtual block::Result<void> finish_configuration() = 0;
  // Returns whether requests of one connection may run at once, even if this version of nbdkit does
  // not support that safely.
  virtual bool parallel_on_request() const = 0;
  // Called before nbdkit forks: finds the errors that a user at a terminal should see. Must start
  // no thread and take no lock.
  virtual block::Result<void> validate() = 0;
  // Called after nbdkit has forked and its socket listens: opens images, adds exports, starts the
  // monitor. `request_quit` makes nbdkit end; it may be called on any thread.
  virtual block::Result<void> start(std::function<void()> request_quit) = 0;
  // May be called only between start() and stop(); any thread.
  virtual NbdExports& exports() = 0;
  // Called after the last connection has ended: makes everything durable and closes it.
  virtual block::Result<void> stop() = 0;

  // Reports an error of the functions above to the user, if the host has its own way to do so;
  // otherwise returns false.
  virtual bool report(const block::Error& error) = 0;
};

// Defined by the program that links the plugin.
std::unique_ptr<PluginHost> make_plugin_host();

} // namespace exports

#endif
