// prepare_process(): corrects the state that a process inherits.
#include "block/util/process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <glib.h>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace block {
namespace {

bool hangup_ignored = false;

// If standard error were closed, an image could get its number, and messages would be written into
// the image.
void open_standard_descriptors() {
  for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(standard, F_GETFD) != -1 || errno != EBADF) continue;
    // All lower numbers are in use, so open() returns this one.
    if (open("/dev/null", O_RDWR) != standard) std::_Exit(EXIT_FAILURE);
  }
}

bool is_ignored(int signal) {
  struct sigaction inherited {};
  return sigaction(signal, nullptr, &inherited) == 0 && inherited.sa_handler == SIG_IGN;
}

void decide_signals() {
  // SIGPIPE and SIGXFSZ: the write returns an error instead. SIGXCPU: a soft limit is a warning.
  // The others: no caller has a reason to end a program by them; timers survive an exec().
  for (int signal : {SIGPIPE, SIGXFSZ, SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2,
                     SIGPOLL, SIGPWR, SIGSTKFLT})
    std::signal(signal, SIG_IGN);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal)
    std::signal(signal, SIG_IGN);
  // If it were ignored, the exit status of child processes would be lost.
  std::signal(SIGCHLD, SIG_DFL);
  hangup_ignored = is_ignored(SIGHUP);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

void raise_soft_limit(int resource, rlim_t most) {
  struct rlimit limit {};
  if (getrlimit(resource, &limit) != 0) return;
  const rlim_t wanted = std::min(most, limit.rlim_max);
  if (limit.rlim_cur >= wanted) return; // RLIM_INFINITY is the largest value
  limit.rlim_cur = wanted;
  setrlimit(resource, &limit);
}

// The main thread's stack grows up to the present limit. Other threads get stacks of the limit at
// the program's start unless a size is set.
void provide_stacks() {
  constexpr rlim_t usual = 8 * 1024 * 1024; // bytes, the default of Linux
  constexpr rlim_t least = 128 * 1024;
  raise_soft_limit(RLIMIT_STACK, usual);
  struct rlimit limit {};
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < least) {
    std::fprintf(stderr, "%s: the limit of the stack is %llu KiB; at least %llu KiB are needed\n",
                 program_invocation_short_name,
                 static_cast<unsigned long long>(limit.rlim_cur / 1024),
                 static_cast<unsigned long long>(least / 1024));
    std::_Exit(EXIT_FAILURE);
  }
  pthread_attr_t attributes;
  std::size_t bytes = 0;
  pthread_attr_init(&attributes);
  pthread_getattr_default_np(&attributes);
  pthread_attr_getstacksize(&attributes, &bytes);
  if (bytes < usual) {
    pthread_attr_setstacksize(&attributes, usual);
    pthread_setattr_default_np(&attributes);
  }
  pthread_attr_destroy(&attributes);
}

// glibc reserves 64 MiB of addresses for each thread that allocates, used or not. One arena is used
// if the address space is limited.
void spare_addresses() {
  if (std::getenv("MALLOC_ARENA_MAX")) return;
  for (int resource : {RLIMIT_AS, RLIMIT_DATA}) {
    struct rlimit limit {};
    if (getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
      mallopt(M_ARENA_MAX, 1);
  }
}

// A driver may have half of a change in memory, so nothing is closed: the image is left as a power
// cut would leave it.
[[noreturn]] void end_for_lack_of(const char* what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
  std::_Exit(EXIT_FAILURE);
}

[[noreturn]] void terminate() {
  try {
    if (std::exception_ptr uncaught = std::current_exception()) std::rethrow_exception(uncaught);
  } catch (const std::bad_alloc&) {
    end_for_lack_of("Cannot allocate memory");
  } catch (const std::system_error& error) {
    end_for_lack_of(error.what());
  } catch (...) {
  }
  std::abort();
}

// GLib's fatal messages report a lack of memory or threads.
void print_message(const char* domain, GLogLevelFlags level, const char* text, void*) {
  constexpr int warnings = G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE;
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL)) end_for_lack_of(text);
  if (level & warnings)
    std::fprintf(stderr, "%s: warning: %s\n", program_invocation_short_name, text);
  else
    g_log_default_handler(domain, level, text, nullptr);
}

} // namespace

void prepare_process() {
  open_standard_descriptors();
  decide_signals();
  raise_soft_limit(RLIMIT_NOFILE, RLIM_INFINITY);
  provide_stacks();
  spare_addresses();
  std::set_terminate(terminate);
  g_log_set_default_handler(print_message, nullptr);
}

bool hangup_was_ignored() {
  return hangup_ignored;
}

void treat_as_termination(int signal) {
  // Sent to the process, not to this thread, which may have SIGTERM blocked.
  std::signal(signal, [](int) { kill(getpid(), SIGTERM); });
}

} // namespace block
