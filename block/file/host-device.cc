// The protocol driver "host_device": the file driver, restricted to block devices.
#include "block/file/host-device.h"

#include "block/file/file.h"
#include "block/file/state.h"
#include "block/graph.h"

#include <cerrno>
#include <sys/stat.h>

namespace block {
namespace {

Error no_device(const std::string& path) {
  return Error(ErrorKind::invalid_argument,
               "'host_device' driver requires '" + path + "' to be a block device");
}

Result<void> device_open(Node& node, Options& options) {
  if (std::optional<std::string> filename = options.take("filename"))
    options.set("filename", without_protocol(*filename, "host_device"));
  BLOCK_TRY(file_driver.open(node, options));
  if (!file_state(node).is_device) return no_device(node.filename());
  node.limits().grows_on_write = false;
  return {};
}

// A device exists before an image is created on it. For a name that does not exist, no file is
// created.
Result<std::string> device_create(const std::string& filename, Options& options) {
  const std::string path = without_protocol(filename, "host_device");
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    return Error::from_errno(errno, "Could not open '" + path + "'");
  if (!S_ISBLK(status.st_mode)) return no_device(path);
  return file_driver.create_file(path, options);
}

const std::vector<CreateOption>& device_create_options() {
  static const std::vector<CreateOption> options = {
      {"size", CreateOption::Type::size, "Virtual disk size", ""},
  };
  return options;
}

// Leaves the device as it is. Returns an error if it is smaller than the image.
Result<void> device_write_image(Node& device, Options& options) {
  BLOCK_TRY_ASSIGN(const std::uint64_t size, options.take_size("size", 0));
  BLOCK_TRY_ASSIGN(const std::uint64_t length, device.co_get_length());
  if (size <= length) return {};
  return Error(ErrorKind::no_space, "The device has only " + std::to_string(length) + " bytes");
}

BlockDriver driver_for_devices() {
  BlockDriver driver = file_driver;
  driver.format_name = "host_device";
  driver.create_options = device_create_options;
  driver.create_file = device_create;
  driver.create = device_write_image;
  driver.open = device_open;
  return driver;
}

} // namespace

const BlockDriver host_device_driver = driver_for_devices();

} // namespace block
