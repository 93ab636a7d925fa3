// StockImage: runs qemu-img on a temporary file.
#include "tests/crash/stock.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace crash {

namespace {

struct Ended {
  int status;
  std::string output;
};

Ended run(const std::string& command) {
  Ended ended{-1, {}};
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return ended;
  std::array<char, 4096> piece;
  while (std::size_t bytes = std::fread(piece.data(), 1, piece.size(), pipe))
    ended.output.append(piece.data(), bytes);
  ended.status = pclose(pipe);
  return ended;
}

// The number after "key": in the output; absent keys mean 0.
std::uint64_t number_of(const std::string& output, const std::string& key) {
  std::size_t at = output.find("\"" + key + "\":");
  return at == std::string::npos ? 0
                                 : std::strtoull(output.c_str() + at + key.size() + 3, nullptr, 10);
}

Bytes bytes_of(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

} // namespace

bool stock_is_installed() {
  static const bool installed = run("qemu-img --version").status == 0;
  return installed;
}

StockImage::StockImage(const Bytes& image) {
  directory_.make("image", {reinterpret_cast<const char*>(image.data()), image.size()});
}

StockCheck StockImage::check(Repair repair) {
  const std::string command = "qemu-img check -f qcow2 --output=json ";
  if (repair != Repair::none)
    run(command + (repair == Repair::all ? "-r all " : "-r leaks ") + directory_.file("image"));
  Ended ended = run(command + directory_.file("image"));
  StockCheck found;
  found.corruptions = number_of(ended.output, "corruptions");
  found.leaks = number_of(ended.output, "leaks");
  found.check_errors = number_of(ended.output, "check-errors");
  // No report at all is no clean image.
  if (ended.output.find("\"image-end-offset\"") == std::string::npos) ++found.check_errors;
  found.output = std::move(ended.output);
  return found;
}

Bytes StockImage::content() const {
  return bytes_of(directory_.content("image"));
}

Bytes StockImage::raw_content() const {
  run("qemu-img convert -f qcow2 -O raw " + directory_.file("image") + " " +
      directory_.file("raw"));
  return bytes_of(directory_.content("raw"));
}

} // namespace crash
