// Tests that no image makes a check take long or use much memory.
#include "tests/qcow2/check/check-image.h"

#include "block/endian.h"
#include "block/file/file.h"

#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace qcow2 {
namespace {

// Bytes of this process that are in memory now, and the most there ever were.
std::uint64_t memory_kib(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stoull(line.substr(line.find(':') + 1));
  return 0;
}

// A sparse file that is written at named places.
class HostileFile {
public:
  explicit HostileFile(std::uint64_t length) : file_({}) {
    descriptor_ = ::open(file_.path().c_str(), O_RDWR);
    supported_ = ::ftruncate(descriptor_, static_cast<off_t>(length)) == 0;
  }
  ~HostileFile() { ::close(descriptor_); }
  bool supported() const { return supported_; } // the file system may not have such long files

  void write(std::uint64_t offset, std::span<const std::byte> bytes) {
    EXPECT_EQ(::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }
  void write_entries(std::uint64_t offset, std::uint64_t count, std::uint64_t first,
                     std::uint64_t step) {
    std::vector<std::byte> bytes(count * 8);
    for (std::uint64_t i = 0; i < count; ++i)
      block::store_big_endian(&bytes[i * 8], first + i * step);
    write(offset, bytes);
  }

  // Checks, and expects that a second of the processor and 100 MB more of memory are enough.
  // A processor that other programs share is half as fast at times, so the bound of time holds for
  // the fastest of three checks. One that repairs is not repeated. Sanitizers take 4 to 10 s of
  // their own for what takes 0.5 s without: they judge memory, and the release build judges time.
  block::CheckReport check(Header header, bool repair = false) {
    write(0, header.encode().value());
    Checked done = check_once(header, repair);
    if (sanitized) return done.report;
    for (int again = 0; again < 2 && !repair && done.seconds >= max_seconds; ++again)
      done = check_once(header, repair);
    EXPECT_LT(done.seconds, max_seconds);
    return done.report;
  }

private:
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr bool sanitized = true;
  static constexpr std::uint64_t max_kib = 400 * 1024;
#else
  static constexpr bool sanitized = false;
  static constexpr std::uint64_t max_kib = 100 * 1024;
#endif
  static constexpr double max_seconds = 1;

  struct Checked {
    block::CheckReport report;
    double seconds; // of the processor
  };
  Checked check_once(Header header, bool repair) {
    block::DriverRegistry::instance().add(block::file_driver);
    block::Graph graph;
    auto node = graph.open({{"driver", "file"}, {"filename", file_.path()}}, {});
    EXPECT_TRUE(node.ok());
    HostFile host(**node);
    block::CheckRequest request;
    request.repair_leaks = request.repair_errors = repair;
    request.report = [](const std::string&) {};
    std::ofstream("/proc/self/clear_refs") << 5; // forgets the peak
    std::uint64_t before = memory_kib("VmRSS");
    std::clock_t start = std::clock(); // of this process, whatever else the machine does
    auto report = qcow2::check(host, header, request);
    double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    EXPECT_TRUE(report.ok()) << report.error().message();
    EXPECT_LT(memory_kib("VmHWM") - before, max_kib);
    return {report ? *report : block::CheckReport(), seconds};
  }

  TemporaryFile file_;
  int descriptor_ = -1;
  bool supported_ = false;
};

Header header_of(unsigned cluster_bits, std::uint64_t l1_entries) {
  Header header;
  header.cluster_bits = cluster_bits;
  header.guest_size = 0;
  header.refcount_table_offset = HostOffset(std::uint64_t{1} << cluster_bits);
  header.refcount_table_clusters = 1;
  header.l1_offset = HostOffset(std::uint64_t{16} << 20);
  header.l1_entries = static_cast<std::uint32_t>(l1_entries);
  return header;
}

TEST(CheckBounds, AnL1TableOf4MillionEntriesThatAllNameOneL2Table) {
  HostileFile file(64 << 20);
  Header header = header_of(16, 4 << 20);
  file.write_entries(16 << 20, 4 << 20, 0x30000, 0);
  file.write_entries(0x30000, 8192, 0, 0x10000); // data of every cluster, the table itself too
  auto report = file.check(header);
  EXPECT_GT(report.corruptions, 0u);
}

TEST(CheckBounds, ARefcountTableThatNamesOneBlockEverywhere) {
  HostileFile file(64 << 20);
  Header header = header_of(16, 1);
  header.refcount_table_clusters = 128;
  file.write_entries(0x10000, 1 << 20, 0x900000, 0);
  auto report = file.check(header);
  EXPECT_GT(report.corruptions, 1000000u);
  file.check(header, true);
}

TEST(CheckBounds, ARefcountTableThatNamesAMillionBlocksInAHole) {
  HostileFile file(std::uint64_t{1} << 42);
  if (!file.supported()) GTEST_SKIP() << "no sparse files of this length here";
  Header header = header_of(21, 1);
  header.refcount_order = 0;
  header.refcount_table_clusters = 4;
  file.write_entries(0x200000, 1 << 20, 0x2000000, 0x200000);
  file.check(header);
}

TEST(CheckBounds, AnL1TableThatNamesTablesAllOverAHole) {
  HostileFile file(std::uint64_t{1} << 42);
  if (!file.supported()) GTEST_SKIP() << "no sparse files of this length here";
  Header header = header_of(21, 256 << 10);
  file.write_entries(16 << 20, 256 << 10, 0x4000000, 0x800000);
  file.check(header);
}

TEST(CheckBounds, DataAllOverAHole) {
  HostileFile file(std::uint64_t{1} << 42);
  if (!file.supported()) GTEST_SKIP() << "no sparse files of this length here";
  Header header = header_of(16, 32);
  for (std::uint64_t table = 0; table < 32; ++table) {
    file.write_entries((16 << 20) + table * 8, 1, 0x2000000 + table * 0x10000, 0);
    file.write_entries(0x2000000 + table * 0x10000, 8192, (table << 37) + 0x4000000, 0x1000000);
  }
  auto report = file.check(header);
  EXPECT_EQ(report.allocated_clusters, 32u * 8192);
}

TEST(CheckBounds, ClustersOf512BytesInAFileOf8Exbibytes) {
  HostileFile file((std::uint64_t{1} << 62) - 1);
  if (!file.supported()) {
    HostileFile smaller(std::uint64_t{1} << 43);
    if (!smaller.supported()) GTEST_SKIP() << "no sparse files of this length here";
    smaller.check(header_of(9, 1 << 16));
    return;
  }
  file.check(header_of(9, 1 << 16));
}

TEST(CheckBounds, ABlockOfFalseRefcountsForAHole) {
  HostileFile file(std::uint64_t{1} << 43);
  if (!file.supported()) GTEST_SKIP() << "no sparse files of this length here";
  Header header = header_of(21, 1);
  header.refcount_order = 3;
  file.write_entries(0x200000, 1, 0x400000, 0);
  file.write_entries(0x400000, 262144, 0x0101010101010101, 0);
  EXPECT_GT(file.check(header).leaks, 2000000u);
}

TEST(CheckBounds, PrintsOnlySoManyLines) {
  std::uint64_t lines = 0;
  block::CheckRequest request;
  request.report = [&](const std::string&) { ++lines; };
  CheckFindings findings(request, false);
  for (std::uint64_t i = 0; i < CheckFindings::max_lines * 2; ++i)
    findings.leak("Leaked");
  EXPECT_EQ(lines, CheckFindings::max_lines + 1);
  EXPECT_EQ(findings.report().leaks, CheckFindings::max_lines * 2);
}

} // namespace
} // namespace qcow2
