// The main function of dedup-storage-daemon.
#include "block/util/process.h"
#include "monitor/daemon-options.h"
#include "monitor/launch.h"
#include "monitor/readiness.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

int fail(const block::Error& error) {
  std::fprintf(stderr, "dedup-storage-daemon: %s\n", error.message().c_str());
  if (!error.hint().empty()) std::fprintf(stderr, "%s\n", error.hint().c_str());
  return EXIT_FAILURE;
}

int run(const monitor::Configuration& configuration, int ready_fd) {
  // Reported here, because the NBD server would find the error only after it had begun to listen.
  if (auto monitors = configuration.monitors(); !monitors) return fail(monitors.error());
  if (configuration.nbd_server()) return fail(monitor::become_nbd_server(configuration, ready_fd));
  auto ran = monitor::run_alone(configuration, ready_fd);
  return ran ? EXIT_SUCCESS : fail(ran.error());
}

// The child becomes the daemon. It keeps the terminal until it is ready, so that its errors are
// visible. This process waits until then.
int daemonize(const monitor::Configuration& configuration) {
  int ready[2];
  if (pipe(ready) != 0) return fail(block::Error::from_errno(errno, "--daemonize"));
  pid_t child = fork();
  if (child == -1) return fail(block::Error::from_errno(errno, "--daemonize"));
  if (child == 0) {
    close(ready[0]);
    setsid();
    return run(configuration, ready[1]);
  }
  close(ready[1]);
  if (monitor::wait_for_readiness(ready[0])) return EXIT_SUCCESS;
  waitpid(child, nullptr, 0);
  return EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
  block::prepare_process();
  auto options = monitor::parse_daemon_options({argv, argv + argc});
  if (!options) return fail(options.error());
  if (options->show_version) {
    std::puts("dedup-storage-daemon version " QCOW2_DEDUP_VERSION);
    return EXIT_SUCCESS;
  }
  return options->daemonize ? daemonize(options->configuration) : run(options->configuration, -1);
}
