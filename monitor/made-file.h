// MadeFile: a file that this process created and removes when the object is destroyed.
#ifndef MONITOR_MADE_FILE_H
#define MONITOR_MADE_FILE_H

#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace monitor {

// The destructor removes the file at `path`, unless another file is at that path by then.
class MadeFile {
public:
  // `facts`: stat() of the created file.
  MadeFile(std::string path, const struct stat& facts)
      : path_(std::move(path)), device_(facts.st_dev), inode_(facts.st_ino) {}
  MadeFile(const MadeFile&) = delete;
  MadeFile& operator=(const MadeFile&) = delete;
  ~MadeFile() {
    if (is_there()) unlink(path_.c_str());
  }

  bool is_there() const {
    struct stat now;
    return stat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_;
  }

private:
  const std::string path_;
  const dev_t device_;
  const ino_t inode_;
};

} // namespace monitor

#endif
