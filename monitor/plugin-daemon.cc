// The daemon in a process that is not its own: what the plugin of the NBD server asks of it.
#include "block/export/nbd/nbdkit/plugin-host.h"
#include "block/graph.h"
#include "monitor/freed-memory.h"
#include "monitor/readiness.h"
#include "monitor/storage-daemon.h"

#include <unistd.h>

namespace monitor {
namespace {

using block::Result;

class PluginDaemon final : public exports::PluginHost {
public:
  Result<void> add_option(const std::string& option, const std::string& text) override {
    return configuration_.add(option, text);
  }

  void add_disk(const std::string& file, const std::string& format, bool writable) override {
    block::Options node = block::options_for_filename(file, format);
    node.set("read-only", writable ? "off" : "on");
    configuration_.add_disk("file=" + file, std::move(node), writable);
  }

  bool has_exports() const override { return !configuration_.exports().empty(); }

  Result<void> validate() override { return check_nodes(configuration_); }

  Result<void> start(std::function<void()> request_quit, int ready_fd) override {
    limit_malloc_arenas();
    daemon_ = std::make_unique<StorageDaemon>(std::move(request_quit));
    exports().set_served();
    Result<void> started = daemon_->start(configuration_);
    if (!started) {
      daemon_.reset();
      remove_nbd_socket(); // stop() is not called then
    } else if (ready_fd >= 0) {
      announce_readiness(ready_fd);
    }
    return started;
  }

  exports::NbdExports& exports() override { return exports::NbdExports::of(daemon_->exports()); }

  Result<void> stop() override {
    Result<void> stopped;
    if (daemon_) stopped = daemon_->stop(); // none if start() was never called
    daemon_.reset();
    remove_nbd_socket();
    return stopped;
  }

private:
  // listen_for_nbd() made it; the server got only the descriptor.
  void remove_nbd_socket() {
    const auto& server = configuration_.nbd_server();
    if (!server) return;
    if (const auto* address = std::get_if<qapi::UnixSocketAddress>(&server->value.options.addr.u))
      unlink(address->path.c_str());
  }

  Configuration configuration_;
  std::unique_ptr<StorageDaemon> daemon_;
};

} // namespace
} // namespace monitor

namespace exports {

std::unique_ptr<PluginHost> make_plugin_host() {
  return std::make_unique<monitor::PluginDaemon>();
}

} // namespace exports
