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
  FormatDisk(const char* format, std::uint64_t bytes, Options create, std::string open)
      : memory_(MemoryFile::create("contract")), format_(format), open_(std::move(open)) {
    create.set("size", std::to_string(bytes));
    EXPECT_TRUE(succeeded(create_image(format, "memory:contract", std::move(create))));
  }
  Options options() override {
    Options options = *Options::parse(open_);
    options.set("driver", format_);
    options.set("file.driver", "memory");
    options.set("file.filename", "contract");
    return options;
  }
  std::shared_ptr<MemoryFile> memory() override { return memory_; }

private:
  std::shared_ptr<MemoryFile> memory_;
  std::string format_;
  std::string open_; // further options, of the file below too
};

// A filter over driver "memory", which it calls `child`.
class FilterDisk : public Disk {
public:
  FilterDisk(std::uint64_t bytes, const std::string& child, std::string open)
      : memory_(MemoryFile::create("contract", std::vector<std::byte>(bytes))),
        log_(MemoryFile::create("contract-log")),
        open_(std::move(open)) {
    open_ += "," + child + ".driver=memory," + child + ".filename=contract";
  }
  Options options() override { return *Options::parse(open_); }
  std::shared_ptr<MemoryFile> memory() override { return memory_; }

private:
  std::shared_ptr<MemoryFile> memory_, log_;
  std::string open_;
};

template <typename T>
std::unique_ptr<Disk> make(std::uint64_t bytes) {
  return std::make_unique<T>(bytes);
}

std::unique_ptr<Disk> format_disk(const char* format, std::uint64_t bytes, const Options& create,
                                  const std::string& open = "") {
  return std::make_unique<FormatDisk>(format, bytes, create, open);
}

std::unique_ptr<Disk> filter_disk(std::uint64_t bytes, const char* child, const char* open) {
  return std::make_unique<FilterDisk>(bytes, child, open);
}

DriverUnderTest filter(const char* name, std::unique_ptr<Disk> (*make)(std::uint64_t)) {
  return {.name = name, .make = make, .grows = true, .over_memory = true};
}

DriverUnderTest over_memory(const char* name, std::unique_ptr<Disk> (*make)(std::uint64_t)) {
  return {.name = name, .make = make, .over_memory = true};
}

} // namespace

std::vector<DriverUnderTest> drivers_under_test() {
  return {
      {.name = "file", .make = make<FileDisk>, .grows = true},
      {.name = "null", .make = make<NullDisk>, .keeps_data = false, .truncates = false},
      over_memory("raw", [](std::uint64_t bytes) { return format_disk("raw", bytes, {}); }),
      over_memory("raw_over_blocks",
                  [](std::uint64_t bytes) {
                    return format_disk("raw", bytes, {}, "file.align=4096,file.max-transfer=8192");
                  }),
      filter("blkdebug",
             [](std::uint64_t bytes) { return filter_disk(bytes, "image", "driver=blkdebug"); }),
      filter("blkdebug_in_pieces",
             [](std::uint64_t bytes) {
               return filter_disk(bytes, "image", "driver=blkdebug,max-transfer=4096");
             }),
      filter("blklogwrites",
             [](std::uint64_t bytes) {
               return filter_disk(
                   bytes, "file",
                   "driver=blklogwrites,log.driver=memory,log.filename=contract-log");
             }),
      over_memory("qcow2", [](std::uint64_t bytes) { return format_disk("qcow2", bytes, {}); }),
      over_memory(
          "qcow2_small_clusters_over_blocks",
          [](std::uint64_t bytes) {
            return format_disk("qcow2", bytes, {{"cluster_size", "512"}}, "file.align=4096");
          }),
      over_memory("qcow2_dedup",
                  [](std::uint64_t bytes) {
                    return format_disk("qcow2", bytes, {{"dedup", "sha256"}});
                  }),
  };
}

} // namespace block
