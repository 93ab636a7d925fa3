// PluginHost: what the nbdkit plugin asks of the program it is the NBD face of.
//
// The plugin knows nbdkit and exports; configuration, the block graph and the monitor belong to the
// host, which the monitor folder defines. Calls come in the order of the members, on nbdkit's main
// thread.
#ifndef BLOCK_EXPORT_PLUGIN_HOST_H
#define BLOCK_EXPORT_PLUGIN_HOST_H

#include "block/export/registry.h"

#include <functional>

namespace exports {

class PluginHost {
public:
  virtual ~PluginHost() = default;

  // One key=value of nbdkit's command line.
  virtual block::Result<void> configure(const std::string& key, const std::string& value) = 0;
  // All were given.
  virtual block::Result<void> finish_configuration() = 0;
  // Whether requests of one connection may run at once although this nbdkit cannot stand it.
  virtual bool parallel_on_request() const = 0;
  // Before nbdkit forks: finds the errors that a user at a terminal should see. Starts no thread,
  // takes no lock.
  virtual block::Result<void> validate() = 0;
  // After nbdkit forked, its socket listening: opens images, adds exports, starts the monitor.
  // `request_quit` makes nbdkit end; any thread.
  virtual block::Result<void> start(std::function<void()> request_quit) = 0;
  // Only between start() and stop(); any thread.
  virtual ExportRegistry& exports() = 0;
  // After the last connection ended: makes everything durable and closes it.
  virtual block::Result<void> stop() = 0;

  // Tells the user of an error of the calls above, if the host has a way of its own; else false.
  virtual bool report(const block::Error& error) = 0;
};

// Defined by whoever links the plugin.
std::unique_ptr<PluginHost> make_plugin_host();

} // namespace exports

#endif
