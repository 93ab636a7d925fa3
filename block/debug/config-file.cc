// Reads the configuration of blkdebug. GLib parses one section at a time, because it would merge
// sections of the same name.
#include "block/debug/config-file.h"

#include "block/util/descriptor.h"

#include <cerrno>
#include <fcntl.h>
#include <glib.h>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>
#include <sys/stat.h>

namespace block::debug {
namespace {

constexpr std::size_t most_bytes = 1024 * 1024;

Result<std::string> read_text(const std::string& path) {
  // Non-blocking: a pipe in the place of the file must be refused, not waited for.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (file.get() < 0 || fstat(file.get(), &status) != 0)
    return Error::from_errno(errno, "Could not open");
  if (!S_ISREG(status.st_mode)) return Error(ErrorKind::invalid_argument, "it is not a file");
  std::string text(most_bytes + 1, '\0');
  const ssize_t bytes = ::pread(file.get(), text.data(), text.size(), 0);
  if (bytes < 0) return Error::from_errno(errno, "Could not read");
  text.resize(static_cast<std::size_t>(bytes));
  if (text.size() > most_bytes)
    return Error(ErrorKind::invalid_argument, "it is longer than a megabyte");
  return text;
}

std::string without_quotes(const std::string& value) {
  const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  return quoted ? value.substr(1, value.size() - 2) : value;
}

// Adds the keys of one section's text to `options` as "rule.KEY".
Result<void> add_section(const std::string& body, const std::string& rule, Options& options) {
  const std::string text = "[rule]\n" + body;
  const std::unique_ptr<GKeyFile, void (*)(GKeyFile*)> file(g_key_file_new(), g_key_file_free);
  GError* error = nullptr;
  if (!g_key_file_load_from_data(file.get(), text.data(), text.size(), G_KEY_FILE_NONE, &error)) {
    Error result(ErrorKind::invalid_argument, error->message);
    g_error_free(error);
    return result;
  }
  const std::unique_ptr<gchar*, void (*)(gchar**)> keys(
      g_key_file_get_keys(file.get(), "rule", nullptr, nullptr), g_strfreev);
  for (gchar** key = keys.get(); key && *key; ++key) {
    const std::unique_ptr<gchar, void (*)(gpointer)> value(
        g_key_file_get_value(file.get(), "rule", *key, nullptr), g_free);
    options.set(rule + "." + *key, without_quotes(value ? value.get() : ""));
  }
  return {};
}

// Returns "inject-error" for "[inject-error]", and an empty string if the line begins no section.
std::string section_name(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  const std::size_t last = line.find_last_not_of(" \t\r");
  if (first == std::string_view::npos || line[first] != '[' || line[last] != ']') return {};
  return std::string(line.substr(first + 1, last - first - 1));
}

Result<Options> parse(const std::string& text) {
  Options options;
  std::map<std::string, unsigned> count; // number of sections so far, by name
  std::string rule, body;                // of the current section
  auto end_section = [&]() -> Result<void> {
    if (!rule.empty()) return add_section(body, rule, options);
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) return {};
    return Error(ErrorKind::invalid_argument, "it does not begin with a section");
  };
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = section_name(line);
    const std::size_t first = line.find_first_not_of(" \t");
    const bool comment = first != std::string::npos && line[first] == '#';
    if (name.empty()) {
      if (!comment) body += line + "\n";
      continue;
    }
    BLOCK_TRY(end_section());
    if (name != "inject-error" && name != "inject-delay" && name != "set-state")
      return Error(ErrorKind::invalid_argument, "there is no section '" + name + "'");
    rule = name + "." + std::to_string(count[name]++);
    body.clear();
  }
  BLOCK_TRY(end_section());
  return options;
}

} // namespace

Result<Options> read_config_file(const std::string& path) {
  const std::string what = "blkdebug config file '" + path + "'";
  Result<std::string> text = read_text(path);
  if (!text) return std::move(text).error().context(what);
  Result<Options> options = parse(*text);
  if (!options) return std::move(options).error().context(what);
  return options;
}

} // namespace block::debug
