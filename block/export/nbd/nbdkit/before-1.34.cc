// Runs nbdkit for its version, and avoids the fault of old ones.
#include "block/export/nbd/nbdkit/before-1.34.h"

#include <charconv>
#include <glib.h>

namespace exports {
namespace {

block::Result<unsigned> field(std::string_view configuration, std::string_view key) {
  std::size_t start = configuration.find(key);
  if (start != std::string_view::npos) {
    const char* text = configuration.data() + start + key.size();
    unsigned number = 0;
    auto [stop, error] = std::from_chars(text, configuration.data() + configuration.size(), number);
    if (error == std::errc()) return number;
  }
  return block::Error(block::ErrorKind::invalid_argument, "nbdkit does not tell its version");
}

} // namespace

block::Result<NbdkitVersion> parse_nbdkit_version(std::string_view configuration) {
  BLOCK_TRY_ASSIGN(unsigned major, field(configuration, "\nversion_major="));
  BLOCK_TRY_ASSIGN(unsigned minor, field(configuration, "\nversion_minor="));
  return NbdkitVersion{major, minor};
}

block::Result<NbdkitVersion> nbdkit_version(const std::string& program) {
  std::string path = program;
  std::string question = "--dump-config";
  char* arguments[] = {path.data(), question.data(), nullptr};
  g_autofree char* output = nullptr;
  g_autofree char* ignored = nullptr;
  g_autoptr(GError) error = nullptr;
  int status = 0;
  if (!g_spawn_sync(nullptr, arguments, nullptr, G_SPAWN_DEFAULT, nullptr, nullptr, &output,
                    &ignored, &status, &error) ||
      !g_spawn_check_wait_status(status, &error))
    return block::Error(block::ErrorKind::io, program + ": " + error->message);
  return parse_nbdkit_version(output);
}

bool this_nbdkit_survives_dead_clients() {
  const auto version = nbdkit_version("/proc/self/exe");
  if (version && survives_dead_clients(*version)) return true;
  std::string which =
      version ? " " + std::to_string(version->major) + "." + std::to_string(version->minor)
              : " of unknown version";
  g_warning("nbdkit%s: requests of one connection are served one at a time, because nbdkit before "
            "1.34 aborts when a client dies with reads in flight (parallel=on overrides)",
            which.c_str());
  return false;
}

std::vector<std::string> options_against_dead_clients(NbdkitVersion version) {
  if (survives_dead_clients(version)) return {};
  return {"-t", "1"}; // threads of a connection
}

} // namespace exports
