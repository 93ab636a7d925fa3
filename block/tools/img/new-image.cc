// NewImage: a signal handler removes the file.
#include "block/tools/img/new-image.h"

#include "block/tools/common/ending-signal.h"

#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tools::img {

using block::ImageCreation;
using block::Result;

namespace {

constexpr std::array ending_signals = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

// Read by the handler; written before `armed`.
std::array<char, PATH_MAX> unfinished_path;
dev_t unfinished_device;
ino_t unfinished_inode;
std::atomic<bool> armed{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the handler uses it");

// Signal handler: only async-signal-safe calls. After it returns, the signal takes its default
// action.
void remove_unfinished(int number) {
  struct stat status;
  if (armed.exchange(false) && stat(unfinished_path.data(), &status) == 0 &&
      status.st_dev == unfinished_device && status.st_ino == unfinished_inode)
    (void)unlink(unfinished_path.data());
  (void)raise(number);
}

void arm(const std::string& path) {
  struct stat status;
  if (path.empty() || path.size() >= unfinished_path.size() || stat(path.c_str(), &status) != 0)
    return;
  std::memcpy(unfinished_path.data(), path.c_str(), path.size() + 1);
  unfinished_device = status.st_dev;
  unfinished_inode = status.st_ino;
  handle_ending_signals(ending_signals, remove_unfinished);
  armed = true;
}

// Blocks the signals, so that none arrives between the creation of the file and arm().
class SignalsHeldBack {
public:
  SignalsHeldBack() {
    sigset_t set;
    sigemptyset(&set);
    for (int number : ending_signals)
      sigaddset(&set, number);
    (void)pthread_sigmask(SIG_BLOCK, &set, &former_);
  }
  ~SignalsHeldBack() { (void)pthread_sigmask(SIG_SETMASK, &former_, nullptr); }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

private:
  sigset_t former_;
};

Result<ImageCreation> begin_creation(const std::string& format, const std::string& filename,
                                     block::Options options) {
  SignalsHeldBack held;
  Result<ImageCreation> creation = ImageCreation::begin(format, filename, std::move(options));
  if (creation) arm(creation->new_file());
  return creation;
}

} // namespace

Result<NewImage> NewImage::make(const std::string& format, const std::string& filename,
                                block::Options options) {
  BLOCK_TRY_ASSIGN(ImageCreation creation, begin_creation(format, filename, std::move(options)));
  NewImage image(std::move(creation));
  BLOCK_TRY(image.creation_.write());
  return image;
}

void NewImage::keep() {
  armed = false;
  creation_.keep();
}

} // namespace tools::img
