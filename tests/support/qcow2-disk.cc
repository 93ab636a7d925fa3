// Images in RAM: creation, closing, and reading of the file.
#include "tests/support/qcow2-disk.h"

#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-driver/driver.h"
#include "tests/support/image-edits.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2/check/refcount-field.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <glib.h>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace block {
namespace {

std::string new_name() {
  static std::atomic<unsigned> number{0};
  return "disk" + std::to_string(++number);
}

Options merged(Options options, const Options& further) {
  for (const auto& [key, value] : further.entries())
    options.set(key, value);
  return options;
}

} // namespace

Qcow2Disk::Qcow2Disk(DiskShape shape, std::vector<std::byte> content) : shape_(std::move(shape)) {
  DriverRegistry::instance().add(qcow2_driver::driver);
  file = MemoryFile::create(new_name(), std::move(content));
}

Qcow2Disk::Qcow2Disk(DiskShape shape) : Qcow2Disk(std::move(shape), {}) {
  Options options = merged({{"size", std::to_string(guest_bytes())},
                            {"cluster_size", std::to_string(cluster_bytes())},
                            {"refcount_bits", std::to_string(shape_.refcount_bits)},
                            {"dedup", shape_.dedup ? "sha256" : "off"}},
                           shape_.create);
  Graph creating;
  std::shared_ptr<Node> target =
      block::open(creating, {{"driver", "memory"}, {"filename", file->name()}});
  EXPECT_TRUE(succeeded(qcow2_driver::driver.create(*target, options)));
  EXPECT_TRUE(succeeded(options.expect_empty("create")));
  target.reset();
  EXPECT_TRUE(succeeded(creating.close_all()));
  open();
}

Qcow2Disk::~Qcow2Disk() {
  file->set_hook({});
  file->heal();
  EXPECT_TRUE(succeeded(close()));
}

Result<void> Qcow2Disk::try_open(Options further, Graph::OpenDefaults defaults) {
  const std::string place = shape_.debug ? "file.image." : "file.";
  Options options = merged(merged({{"driver", "qcow2"},
                                   {"node-name", "disk"},
                                   {place + "driver", "memory"},
                                   {place + "filename", file->name()}},
                                  shape_.open),
                           further);
  if (shape_.debug) options.set("file.driver", "blkdebug");
  BLOCK_TRY_ASSIGN(node_, graph.open(std::move(options), defaults));
  return {};
}

void Qcow2Disk::open(Options further, Graph::OpenDefaults defaults) {
  ASSERT_TRUE(succeeded(try_open(std::move(further), defaults)));
}

Result<void> Qcow2Disk::close() {
  node_.reset();
  return graph.close_all();
}

void Qcow2Disk::end_with(std::vector<std::byte> content) {
  file->set_hook({});
  file->heal();
  (void)close().ok(); // everything that it writes is undone
  file->set_content(std::move(content));
}

void Qcow2Disk::wait_for_index() {
  for (int tries = 0; tries < 30000; ++tries) {
    if (counters().status != DedupStatus::starting) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL() << "the index is not loaded after 30 seconds";
}

testing::AssertionResult Qcow2Disk::holds(std::uint64_t guest, const std::string& expected) {
  std::string found = block::read(node(), guest * cluster_bytes(), expected.size());
  if (found == expected) return testing::AssertionSuccess();
  if (found.size() != expected.size()) return testing::AssertionFailure() << found;
  auto place = std::mismatch(found.begin(), found.end(), expected.begin()).first - found.begin();
  auto cluster = static_cast<std::uint64_t>(place) / cluster_bytes();
  bool zero =
      found.find_first_not_of('\0', cluster * cluster_bytes()) >= (cluster + 1) * cluster_bytes();
  return testing::AssertionFailure()
         << "other content at guest cluster " << guest + cluster << (zero ? ": zeros" : "")
         << ", byte " << static_cast<std::uint64_t>(place) % cluster_bytes();
}

void Qcow2Disk::wait_for_scan() {
  for (int tries = 0; tries < 30000; ++tries) {
    DedupInfo info = counters();
    if (info.status == DedupStatus::running && info.unscanned_clusters == 0) return;
    ASSERT_EQ(info.scan.error, "");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL() << "the scan has not ended after 30 seconds";
}

void Qcow2Disk::write_zeroes(std::uint64_t guest, std::uint64_t clusters, bool may_unmap) {
  ZeroFlags flags;
  flags.may_unmap = may_unmap;
  EXPECT_TRUE(succeeded(
      node().co_pwrite_zeroes(guest * cluster_bytes(), clusters * cluster_bytes(), flags)));
}

BlockStatus Qcow2Disk::status(std::uint64_t guest) {
  Result<BlockStatus> status = node().co_block_status(guest * cluster_bytes(), cluster_bytes());
  EXPECT_TRUE(succeeded(status));
  return status ? *status : BlockStatus{};
}

std::optional<std::uint64_t> Qcow2Disk::host_of(std::uint64_t guest) {
  std::optional<std::uint64_t> offset = status(guest).host_offset;
  if (!offset) return std::nullopt;
  return *offset / cluster_bytes();
}

DedupInfo Qcow2Disk::counters() {
  Result<DedupInfo> info = node().query_dedup();
  EXPECT_TRUE(succeeded(info));
  return info ? *info : DedupInfo{};
}

qcow2::Header Qcow2Disk::header() const {
  return qcow2::decode_header(file->read(0, cluster_bytes())).value();
}

std::uint64_t Qcow2Disk::file64(std::uint64_t offset) const {
  return load_big_endian<std::uint64_t>(file->read(offset, 8).data());
}

void Qcow2Disk::set_file64(std::uint64_t offset, std::uint64_t value) {
  std::vector<std::byte> content = file->content();
  store_big_endian(&content.at(offset), value);
  file->set_content(std::move(content));
}

qcow2_dedup::Extension Qcow2Disk::extension() const {
  const qcow2::Header now = header();
  const qcow2::Extension* stored = now.find_extension(qcow2_dedup::extension_magic);
  return qcow2_dedup::decode_extension(stored->data, now.cluster_size()).value();
}

void Qcow2Disk::set_extension(const qcow2_dedup::Extension& extension) {
  std::vector<std::byte> content = file->content();
  store_dedup_extension(content, extension);
  file->set_content(std::move(content));
}

void Qcow2Disk::record_tables_digest() {
  std::vector<std::byte> content = file->content();
  block::record_tables_digest(content);
  file->set_content(std::move(content));
}

std::uint64_t Qcow2Disk::l2_entry_place(std::uint64_t guest) const {
  std::uint64_t per_l2 = cluster_bytes() / 8;
  std::uint64_t l1_entry = file64(header().l1_offset.value() + guest / per_l2 * 8);
  std::uint64_t table = l1_entry & qcow2::offset_mask;
  return table == 0 ? 0 : table + guest % per_l2 * 8;
}

std::uint64_t Qcow2Disk::l2_entry(std::uint64_t guest) const {
  std::uint64_t place = l2_entry_place(guest);
  return place == 0 ? 0 : file64(place);
}

std::uint64_t Qcow2Disk::stored_refcount(std::uint64_t host) const {
  qcow2::Header now = header();
  std::uint64_t per_block = cluster_bytes() * 8 >> now.refcount_order;
  std::uint64_t refcount_block = file64(now.refcount_table_offset.value() + host / per_block * 8);
  if (refcount_block == 0) return 0;
  std::vector<std::byte> bytes = file->read(refcount_block, cluster_bytes());
  return qcow2::load_refcount(bytes.data(), host % per_block, now.refcount_order);
}

namespace {

DiskCheck check_file(const MemoryFile& file, CheckRequest request) {
  DiskCheck found;
  Graph checking;
  Graph::OpenDefaults defaults;
  defaults.read_only = !request.repair_leaks && !request.repair_errors;
  defaults.for_check = defaults.no_backing = true;
  Result<std::shared_ptr<Node>> node = checking.open(
      {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", file.name()}}, defaults);
  if (!node) {
    found.error = node.error().message();
    return found;
  }
  request.report = [&](const std::string& line) { found.lines.push_back(line); };
  Result<CheckReport> report = (*node)->check(request);
  if (report)
    found.report = *report;
  else
    found.error = report.error().message();
  return found;
}

} // namespace

void Qcow2Disk::share_and_overwrite() {
  const std::uint64_t half = shape_.guest_clusters / 2;
  for (std::uint64_t from : {std::uint64_t{0}, half}) {
    const std::uint64_t to = half - from;
    const std::string content = read(from, half);
    for (std::uint64_t i = 0; i < half; ++i)
      write(to + i, content.substr(i * cluster_bytes(), cluster_bytes()));
    for (std::uint64_t i = 0; i < half; ++i)
      write(from + i, pattern(static_cast<unsigned>(7000 + from + i)));
    EXPECT_TRUE(holds(to, content));
  }
}

DiskCheck Qcow2Disk::check() {
  std::shared_ptr<MemoryFile> copy = MemoryFile::create(new_name(), file->content());
  CheckRequest request;
  request.deep = true;
  return check_file(*copy, std::move(request));
}

DiskCheck Qcow2Disk::repair(Repair what) {
  CheckRequest request;
  request.repair_leaks = true;
  request.repair_errors = what == Repair::all;
  return check_file(*file, std::move(request));
}

namespace {

// Returns the number of leaks that stock qemu-img check counts, or nothing if it has any other
// finding.
std::optional<std::uint64_t> stock_leaks_of(const std::vector<std::byte>& content) {
  char name[] = "/tmp/qcow2-disk-XXXXXX";
  int descriptor = ::mkstemp(name);
  EXPECT_GE(descriptor, 0);
  ::close(descriptor);
  std::string path = name, output = path + ".out";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size()));
  std::string command = "qemu-img check -f qcow2 " + path + " >" + output + " 2>&1";
  int code = WEXITSTATUS(std::system(command.c_str()));
  std::uint64_t leaks = 0;
  std::string others;
  std::ifstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Leaked cluster"))
      ++leaks;
    else if (line.starts_with("ERROR"))
      others += line + "\n";
  }
  ::unlink(path.c_str());
  ::unlink(output.c_str());
  EXPECT_EQ(others, "");
  EXPECT_TRUE(code == 0 || code == 3) << "qemu-img check ended with " << code;
  if (code != 0 && code != 3) return std::nullopt;
  return leaks;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += line + "\n";
  return text;
}

} // namespace

void Qcow2Disk::expect_clean(std::uint64_t stock_leaks) {
  DiskCheck found = check();
  EXPECT_EQ(found.error, "");
  // After an unclean end, old entries are hints only.
  std::erase_if(found.lines, [](const std::string& line) {
    return line.ends_with("(the table is not trusted)");
  });
  EXPECT_EQ(joined(found.lines), "");
  EXPECT_EQ(found.report.corruptions + found.report.leaks + found.report.check_errors, 0u);
  if (std::system("command -v qemu-img >/dev/null") == 0) {
    EXPECT_EQ(stock_leaks_of(file->content()), stock_leaks);
  }
}

void Qcow2Disk::expect_consistent() {
  DiskCheck found = check();
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.report.corruptions + found.report.check_errors, 0u) << joined(found.lines);
}

std::uint64_t Qcow2Disk::table_clusters() const {
  if (!header().find_extension(qcow2_dedup::extension_magic)) return 0;
  const qcow2_dedup::Extension extension = this->extension();
  std::set<std::uint64_t> clusters;
  auto add = [&](std::uint64_t offset, std::uint64_t bytes) {
    for (std::uint64_t at = offset; at < offset + bytes; at += cluster_bytes())
      clusters.insert(at / cluster_bytes());
  };
  add(extension.table_offset.value(), std::uint64_t{extension.table_entries} * 8);
  for (std::uint64_t i = 0; i < extension.table_entries; ++i)
    if (std::uint64_t place = file64(extension.table_offset.value() + i * 8); place != 0)
      add(place, qcow2_dedup::hash_block_bytes);
  return clusters.size();
}

WriteWatch::WriteWatch(MemoryFile& file) : file_(file) {
  file.set_hook([log = log_](MemoryOperation operation, std::uint64_t offset, std::uint64_t bytes) {
    if (operation != MemoryOperation::write) return;
    std::lock_guard hold(log->mutex);
    log->writes.emplace_back(offset, bytes);
  });
}

std::size_t WriteWatch::writes() const {
  std::lock_guard hold(log_->mutex);
  return log_->writes.size();
}

std::size_t WriteWatch::writes_to(std::uint64_t host_cluster, std::uint64_t cluster_bytes) const {
  std::lock_guard hold(log_->mutex);
  std::uint64_t begin = host_cluster * cluster_bytes, end = begin + cluster_bytes;
  std::size_t count = 0;
  for (auto [offset, bytes] : log_->writes)
    if (offset < end && begin < offset + bytes) ++count;
  return count;
}

} // namespace block
