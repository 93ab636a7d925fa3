// Configuration: the parsed options of the daemon, from its own command line or from that of the
// program which it runs in.
#ifndef MONITOR_CONFIGURATION_H
#define MONITOR_CONFIGURATION_H

#include "block/export/nbd/tls-credentials.h"
#include "block/options.h"
#include "qapi/types.h"

#include <string>
#include <string_view>
#include <vector>

namespace monitor {

// The value of an option with its original text, for error messages.
template <typename T>
struct Given {
  std::string text; // "--blockdev driver=qcow2,..."
  T value;
};

// --nbd-server. `parallel` is an addition to QEMU's option: several requests of one connection at
// once, even if the server has a reason to serve them one at a time.
struct NbdServer {
  qapi::NbdServerOptions options;
  bool parallel = false;
};

class Configuration {
public:
  // Adds one option by its name without dashes: blockdev, export, nbd-server, chardev, monitor,
  // object, module, pidfile. Errors: an invalid text, an id given twice; the message begins with
  // the option.
  block::Result<void> add(std::string_view option, std::string_view text);

  // Adds a node and an NBD export of it under the default export name, which serves clients that
  // name no export. `text`: the option that requested it, for messages.
  void add_disk(const std::string& text, block::Options node, bool writable);

  struct Item {
    std::string option;
    std::string text;
  };
  const std::vector<Item>& items() const { return items_; } // in the order of the command line

  const std::vector<Given<std::string>>& modules() const { return modules_; }
  const std::vector<Given<block::Options>>& blockdevs() const { return blockdevs_; }
  const std::vector<Given<qapi::BlockExportOptions>>& exports() const { return exports_; }
  const std::vector<Given<exports::TlsCredentials>>& credentials() const { return credentials_; }
  const std::optional<Given<NbdServer>>& nbd_server() const { return nbd_server_; }
  const std::string& pidfile() const { return pidfile_; } // absolute; empty = none

  // Returns the credentials that --nbd-server names, if it names any. Errors: no option defines
  // them.
  block::Result<std::optional<Given<exports::TlsCredentials>>> nbd_credentials() const;
  // Returns the chardevs that the --monitor options name, in their order. Errors: a chardev that no
  // option defines.
  block::Result<std::vector<Given<qapi::ChardevSocketOptions>>> monitors() const;
  // Returns the chardevs that no --monitor option names.
  std::vector<Given<qapi::ChardevSocketOptions>> idle_chardevs() const;

private:
  block::Result<void> take(std::string_view option, std::string_view text);
  block::Result<void> add_blockdev(std::string text, block::Options options);
  block::Result<void> add_export(std::string text, block::Options options);
  block::Result<void> add_nbd_server(std::string text, block::Options options);
  block::Result<void> add_chardev(std::string text, block::Options options);
  block::Result<void> add_monitor(std::string text, block::Options options);
  block::Result<void> add_object(std::string text, block::Options options);

  std::vector<Item> items_;
  std::vector<Given<std::string>> modules_;
  std::vector<Given<block::Options>> blockdevs_;
  std::vector<Given<qapi::BlockExportOptions>> exports_;
  std::vector<Given<exports::TlsCredentials>> credentials_;
  std::vector<Given<qapi::ChardevSocketOptions>> chardevs_;
  std::vector<Given<std::string>> monitors_; // ids of chardevs
  std::optional<Given<NbdServer>> nbd_server_;
  std::string pidfile_;
};

// Returns the path as an absolute path, which stays valid if the process changes its directory.
std::string absolute_path(const std::string& path);

} // namespace monitor

#endif
