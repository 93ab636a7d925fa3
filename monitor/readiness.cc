// Sends and receives the byte that means "ready".
#include "monitor/readiness.h"

#include <cerrno>
#include <fcntl.h>
#include <initializer_list>
#include <unistd.h>

namespace monitor {

void announce_readiness(int ready_fd) {
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    dup2(nothing, standard);
  close(nothing);
  // The write fails if the waiting process was killed. The daemon then continues.
  while (write(ready_fd, "R", 1) == -1 && errno == EINTR) {
  }
  close(ready_fd);
}

bool wait_for_readiness(int ready_fd) {
  char byte = 0;
  ssize_t got = 0;
  while ((got = read(ready_fd, &byte, 1)) == -1 && errno == EINTR) {
  }
  return got == 1;
}

} // namespace monitor
