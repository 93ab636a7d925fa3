// A directory for the files of a test. The destructor removes it.
#ifndef TESTS_SUPPORT_TEMPORARY_DIRECTORY_H
#define TESTS_SUPPORT_TEMPORARY_DIRECTORY_H

#include <filesystem>
#include <fstream>
#include <glib.h>
#include <string>

namespace block {

class TemporaryDirectory {
public:
  TemporaryDirectory() {
    char* made = g_dir_make_tmp("block-test-XXXXXX", nullptr);
    path_ = made ? made : "";
    g_free(made);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Creates a file with that content and returns its path.
  std::string make(const std::string& name, const std::string& content) const {
    std::ofstream(file(name), std::ios::binary) << content;
    return file(name);
  }
  std::string content(const std::string& name) const {
    std::ifstream stream(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

private:
  std::string path_;
};

} // namespace block

#endif
