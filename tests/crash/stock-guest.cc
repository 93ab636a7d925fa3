// StockGuest: a script for qemu-io, and the log that it leaves.
#include "tests/crash/stock-guest.h"

#include <cstdlib>

namespace crash {

using block::Error;
using block::ErrorKind;

namespace {

std::string range(std::size_t first, std::size_t sectors) {
  return std::to_string(first * sector_bytes) + " " + std::to_string(sectors * sector_bytes) + "\n";
}

std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

void StockGuest::write(std::size_t first, std::span<const Tag> tags) {
  const std::string data =
      directory_.make("data" + std::to_string(++writes_), text_of(content_of(tags)));
  script_ += "write -s " + data + " " + range(first, tags.size());
}

void StockGuest::write_zeroes(std::size_t first, std::size_t sectors, bool unmap) {
  script_ += (unmap ? "write -z -u " : "write -z ") + range(first, sectors);
}

void StockGuest::discard(std::size_t first, std::size_t sectors) {
  script_ += "discard " + range(first, sectors);
}

Result<Recording> StockGuest::run(const Bytes& image) {
  const std::string output = directory_.file("output");
  const std::string command =
      "qemu-io --image-opts driver=qcow2,discard=unmap,file.driver=blklogwrites,"
      "file.file.driver=file,file.log.driver=file,file.log-super-update-interval=1,"
      // The log tells what was flushed; nothing needs to reach a real disk.
      "file.file.cache.no-flush=on,file.log.cache.no-flush=on,file.file.filename=" +
      directory_.make("image", text_of(image)) +
      ",file.log.filename=" + directory_.make("log", "") + " <" +
      directory_.make("script", script_) + " >" + output + " 2>&1";
  if (std::system(command.c_str()) != 0)
    return Error(ErrorKind::io, "qemu-io failed: " + directory_.content("output"));
  const std::string log = directory_.content("log");
  BLOCK_TRY_ASSIGN(
      std::vector<block::LoggedRequest> requests,
      block::read_write_log({reinterpret_cast<const std::byte*>(log.data()), log.size()}));
  const std::vector<GuestModel> guests(requests.size() + 1, GuestModel(0));
  return Recording{image, epochs_of(std::move(requests), guests)};
}

} // namespace crash
