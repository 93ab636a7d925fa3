// The disks of each driver that the contract suite runs against.
#include "tests/contract/disks.h"

namespace block {
namespace {

class FileDisk : public Disk {
public:
  explicit FileDisk(std::uint64_t bytes) {
    directory_.make("disk", "");
    std::filesystem::resize_file(directory_.file("disk"), bytes);
  }
  Options options() override { return {{"driver", "file"}, {"filename", directory_.file("disk")}}; }

private:
  TemporaryDirectory directory_;
};

class NullDisk : public Disk {
public:
  explicit NullDisk(std::uint64_t bytes) : bytes_(bytes) {}
  Options options() override { return {{"driver", "null-co"}, {"size", std::to_string(bytes_)}}; }

private:
  std::uint64_t bytes_;
};

// A format over driver "memory", made by the format's own create.
class FormatDisk : public Disk {
public:
  FormatDisk(const char* format, std::uint64_t bytes, const Options& extra, std::string below)
      : memory_(MemoryFile::create("contract")), format_(format), below_(std::move(below)) {
    Options create = extra;
    create.set("size", std::to_string(bytes));
    EXPECT_TRUE(succeeded(create_image(format, "memory:contract", std::move(create))));
  }
  Options options() override {
    Options options = *Options::parse(below_);
    options.set("driver", format_);
    options.set("file.driver", "memory");
    options.set("file.filename", "contract");
    return options;
  }
  std::shared_ptr<MemoryFile> memory() override { return memory_; }

private:
  std::shared_ptr<MemoryFile> memory_;
  std::string format_;
  std::string below_; // further options, of the file below too
};

template <typename T>
std::unique_ptr<Disk> make(std::uint64_t bytes) {
  return std::make_unique<T>(bytes);
}

} // namespace

std::vector<DriverUnderTest> drivers_under_test() {
  return {
      {.name = "file", .make = make<FileDisk>, .grows = true},
      {.name = "null", .make = make<NullDisk>, .keeps_data = false, .truncates = false},
      {.name = "raw",
       .make = [](std::uint64_t bytes) -> std::unique_ptr<Disk> {
         return std::make_unique<FormatDisk>("raw", bytes, Options{}, "");
       },
       .over_memory = true},
      {.name = "raw_over_blocks",
       .make = [](std::uint64_t bytes) -> std::unique_ptr<Disk> {
         return std::make_unique<FormatDisk>("raw", bytes, Options{},
                                             "file.align=4096,file.max-transfer=8192");
       },
       .over_memory = true},
  };
}

} // namespace block
