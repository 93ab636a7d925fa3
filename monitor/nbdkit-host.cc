// The daemon inside nbdkit: what the plugin's configuration means, and where nbdkit's life cycle
// meets the daemon's.
#include "block/export/nbd/nbdkit/plugin-host.h"
#include "block/graph.h"
#include "monitor/freed-memory.h"
#include "monitor/readiness.h"
#include "monitor/storage-daemon.h"

#include <cstdio>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace monitor {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

// Relative names keep their meaning although nbdkit has gone to "/" in the background.
class WorkingDirectory {
public:
  WorkingDirectory() : descriptor_(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {}
  ~WorkingDirectory() {
    if (descriptor_ != -1) close(descriptor_);
  }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  void enter() const {
    if (descriptor_ != -1) static_cast<void>(!fchdir(descriptor_));
  }

private:
  int descriptor_;
};

class NbdkitHost final : public exports::PluginHost {
public:
  Result<void> configure(const std::string& key, const std::string& value) override {
    block::Options one{{key, value}};
    if (key == "parallel") {
      BLOCK_TRY_ASSIGN(parallel_, one.take_bool(key, false));
    } else if (key == "readonly") {
      BLOCK_TRY_ASSIGN(read_only_, one.take_bool(key, false));
    } else if (key == "ready-fd") {
      BLOCK_TRY_ASSIGN(ready_fd_, one.take_number(key, 0));
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
      return configuration_.add(key, value);
    }
    return {};
  }

  Result<void> finish_configuration() override {
    if (file_) add_file();
    if (program_.empty() && configuration_.exports().empty())
      return Error(ErrorKind::invalid_argument,
                   "nothing to serve: give file=PATH, or blockdev= and "
                   "export=");
    return {};
  }

  bool parallel_on_request() const override { return parallel_; }

  Result<void> validate() override {
    // A daemon does not fork again: its real start shows the user the same errors.
    if (!program_.empty()) return {};
    return check_nodes(configuration_);
  }

  Result<void> start(std::function<void()> request_quit) override {
    // nbdkit -f of Debian 12 asks for SIGTERM when its parent ends. The parent of a daemon is
    // whoever typed the command, or the process that forked for --daemonize.
    if (!program_.empty()) prctl(PR_SET_PDEATHSIG, 0);
    WorkingDirectory now;
    initial_directory_.enter();
    limit_malloc_arenas();
    daemon_ = std::make_unique<StorageDaemon>(std::move(request_quit));
    exports().set_served();
    Result<void> started = daemon_->start(configuration_);
    now.enter();
    if (!started) {
      daemon_.reset();
      remove_nbd_socket(); // nbdkit does not call cleanup() then
    } else if (ready_fd_ != 0) {
      announce_readiness(static_cast<int>(ready_fd_));
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

  bool report(const Error& error) override {
    if (program_.empty()) return false;
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), error.message().c_str());
    if (!error.hint().empty()) std::fprintf(stderr, "%s\n", error.hint().c_str());
    return true;
  }

private:
  Result<void> add_qmp(const std::string& path) {
    std::string doubled; // a comma in the path is doubled in an option's text
    for (char character : path)
      doubled += character == ',' ? std::string(",,") : std::string(1, character);
    BLOCK_TRY(configuration_.add("chardev", "socket,server=on,wait=off,id=qmp,path=" + doubled));
    return configuration_.add("monitor", "chardev=qmp");
  }

  void add_file() {
    block::Options node = block::options_for_filename(*file_, format_);
    node.set("read-only", read_only_ ? "on" : "off");
    configuration_.add_disk("file=" + *file_, std::move(node), !read_only_);
  }

  // It is the daemon's own; nbdkit got only the descriptor.
  void remove_nbd_socket() {
    const auto& server = configuration_.nbd_server();
    if (!server) return;
    if (const auto* address = std::get_if<qapi::UnixSocketAddress>(&server->value.options.addr.u))
      unlink(address->path.c_str());
  }

  const WorkingDirectory initial_directory_;
  Configuration configuration_;
  std::string program_; // the name errors are told under; empty: nbdkit was started directly
  std::optional<std::string> file_;
  std::string format_;
  std::uint64_t ready_fd_ = 0;
  bool read_only_ = false;
  bool parallel_ = false;
  std::unique_ptr<StorageDaemon> daemon_;
};

} // namespace
} // namespace monitor

namespace exports {

std::unique_ptr<PluginHost> make_plugin_host() {
  return std::make_unique<monitor::NbdkitHost>();
}

} // namespace exports
