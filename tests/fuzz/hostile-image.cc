// Opening, checking and using images that may hold anything.
#include "tests/fuzz/hostile-image.h"

#include "tests/fuzz/guest-copy.h"
#include "tests/fuzz/overlaps.h"
#include "tests/support/image-edits.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2-driver/driver.h"
#include "block/qcow2/format.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace fuzz {

using block::Graph;
using block::IoVector;
using block::Options;
using block::Result;

namespace {

// What is read or written of a disk that may claim to be exabytes.
constexpr std::uint64_t most_bytes = 256 << 10;

std::string request_error(const Result<void>& done) {
  if (done) return {};
  require(!done.error().message().empty(), "an error says what is wrong");
  return done.error().message();
}

} // namespace

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: not so: %s\n", what.c_str());
  std::abort();
}

std::string content_of(std::size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  std::uint64_t state = seed;
  // By words: instrumented loops over bytes are most of a target's time otherwise.
  for (std::size_t at = 0; at < bytes; at += sizeof state) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::memcpy(&text[at], &state, std::min(sizeof state, bytes - at));
  }
  return text;
}

HostileImage::HostileImage(Bytes content, std::uint64_t capacity) {
  block::DriverRegistry::instance().add(qcow2_driver::driver);
  // As a forger would, so that a writer follows the tables instead of giving them up.
  block::record_tables_digest(content);
  file_ = block::MemoryFile::create("hostile", std::move(content));
  file_->set_capacity(capacity);
}

HostileImage::~HostileImage() {
  close();
}

bool HostileImage::open(const Options& further, bool read_only) {
  Options options = {{"driver", "qcow2"},
                     {"node-name", "disk"},
                     {"backing", ""}, // what an image names is not opened here
                     {"file.driver", "memory"},
                     {"file.filename", "hostile"},
                     // Small, so that tables are dropped and read again.
                     {"l2-cache-size", "16k"},
                     {"refcount-cache-size", "16k"}};
  for (const auto& [key, value] : further.entries())
    options.set(key, value);
  Graph::OpenDefaults defaults;
  defaults.read_only = read_only;
  Result<std::shared_ptr<block::Node>> node = graph_.open(std::move(options), defaults);
  require(node.ok() || !node.error().message().empty(), "a refusal says why");
  if (node) node_ = std::move(*node);
  return node.ok();
}

bool HostileImage::close() {
  node_.reset();
  return graph_.close_all().ok();
}

CheckOutcome HostileImage::check(bool repair, bool deep) {
  CheckOutcome outcome;
  Graph graph;
  Graph::OpenDefaults defaults;
  defaults.read_only = !repair;
  defaults.for_check = defaults.no_backing = true;
  Result<std::shared_ptr<block::Node>> node = graph.open(
      {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", "hostile"}}, defaults);
  if (!node) {
    outcome.error = "open: " + node.error().message();
    return outcome;
  }
  block::CheckRequest request;
  request.repair_leaks = request.repair_errors = repair;
  request.deep = deep;
  request.report = [&](const std::string& line) { outcome.lines += line + "\n"; };
  Result<block::CheckReport> report = (*node)->check(request);
  if (report)
    outcome.report = *report;
  else
    outcome.error = "check: " + report.error().message();
  node = std::shared_ptr<block::Node>();
  if (!graph.close_all()) outcome.error += "close failed";
  return outcome;
}

bool HostileImage::holds(const Bytes& content) const {
  const Bytes now = file_->content();
  // Not ==, which would compare and count each byte by itself.
  return now.size() == content.size() &&
         (now.empty() || std::memcmp(now.data(), content.data(), now.size()) == 0);
}

void HostileImage::read_somewhere() {
  std::string buffer(most_bytes, '\0');
  Result<std::uint64_t> length = node_->co_get_length();
  require_ok(length, "an open image has a length");
  auto read = [&](std::uint64_t offset) {
    std::uint64_t bytes = std::min(most_bytes, *length - offset);
    if (bytes > 0)
      request_error(
          node_->co_readv(offset, IoVector(buffer.data(), static_cast<std::size_t>(bytes))));
  };
  read(0);
  if (*length > most_bytes) read(*length - most_bytes);
  std::uint64_t offset = 0;
  for (int runs = 0; runs < 40 && offset < *length; ++runs) {
    Result<block::BlockStatus> status =
        node_->co_block_status(offset, std::min<std::uint64_t>(*length - offset, 1 << 30));
    if (!status) break;
    require(status->bytes > 0 && status->bytes <= *length - offset, "a run has a length");
    if (status->data && offset >= most_bytes) read(offset);
    offset += status->bytes;
  }
  (void)node_->get_info().ok();
}

void HostileImage::write_somewhere() {
  Result<std::uint64_t> length = node_->co_get_length();
  require_ok(length, "an open image has a length");
  auto write = [&](std::uint64_t offset, const std::string& data) {
    if (offset > *length || *length - offset < data.size()) return;
    request_error(node_->co_writev(offset, IoVector(data.data(), data.size())));
  };
  auto cluster = std::max<std::uint64_t>(node_->limits().opt_transfer, 512);
  std::string data = content_of(std::min<std::uint64_t>(cluster, most_bytes), 1);
  std::string other = content_of(data.size(), 2);
  write(0, data + other);
  write(3 * cluster, other + data);
  write(cluster / 2, data);
  write(5 * cluster, std::string(data.size(), '\0'));
  if (*length > most_bytes) write((*length - cluster) & ~(cluster - 1), data);
  if (*length >= 16 * cluster) {
    request_error(node_->co_pdiscard(2 * cluster, 4 * cluster));
    request_error(node_->co_pwrite_zeroes(7 * cluster, 3 * cluster));
  }
  request_error(node_->co_flush());
  write(2 * cluster, data + other + data);
  write(9 * cluster, other);
}

void HostileImage::wait_for_index() {
  for (int tries = 0; tries < 200000; ++tries) {
    Result<block::DedupInfo> info = node_->query_dedup();
    if (!info || info->status != block::DedupStatus::starting) return;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  require(false, "the index is loaded within 20 seconds");
}

namespace {

// A check counts no clusters beyond the end of the file. What refcounts say of them comes to light
// when the file has grown.
bool leaks_lie_beyond(const std::string& lines, std::uint64_t end_cluster) {
  const std::string words = "Leaked cluster ";
  for (std::size_t at = lines.find(words); at != std::string::npos; at = lines.find(words, at + 1))
    if (std::strtoull(lines.c_str() + at + words.size(), nullptr, 10) < end_cluster) return false;
  return true;
}

// Without what every repair makes right in the header: unknown autoclear bits, the witness's digest
// of the tables, and how many clusters of data the image has.
Bytes without_header_hints(Bytes image) {
  constexpr std::size_t hints_within[] = {30, 54, 62}; // digest, named and stored clusters
  constexpr std::size_t hint_bytes = 8;
  auto clear = [&](std::size_t at) {
    if (at + hint_bytes <= image.size())
      std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(at), hint_bytes, std::byte{0});
  };
  auto load = [&](std::size_t at) {
    return at + 4 <= image.size() ? block::load_big_endian<std::uint32_t>(&image[at]) : 0;
  };
  clear(qcow2::header_features_field + 2 * hint_bytes); // incompatible, compatible, autoclear
  std::size_t at = load(100);                           // the header's length
  while (load(at) != 0 && load(at) != qcow2_dedup::extension_magic)
    at += 8 + (std::size_t{load(at + 4)} + 7) / 8 * 8;
  for (std::size_t within : hints_within)
    if (load(at) != 0) clear(at + 8 + within);
  return image;
}

} // namespace

void check_and_repair(HostileImage& image) {
  const Bytes before = image.content();
  CheckOutcome found = image.check(false);
  require(image.holds(before), "a check without repair leaves the image alone");
  GuestCopy guest;
  bool guest_is_known = found.clean() && image.open({}, true) && guest.take(image.node());
  image.close();

  CheckOutcome repaired = image.check(true);
  // An image that may only be read, because of its options or its hash algorithm, can be checked
  // and not repaired.
  const bool only_for_reading = repaired.error.starts_with("open: ") ||
                                repaired.error.starts_with("check: deduplication: hash ");
  if (only_for_reading) require(image.holds(before), "a repair that is refused changes nothing");
  // A table of which no clean end has recorded anything is given up.
  const bool gives_table_up = found.lines.find("not as it was closed") != std::string::npos;
  if (found.clean() && !only_for_reading && !gives_table_up) {
    require(repaired.clean(),
            "nothing is found in a clean image: " + repaired.error + "\n" + repaired.lines);
    // But for the bits that it was not closed cleanly, or was found corrupt, for old entries of a
    // dedup table that nobody trusts, and for hash blocks that are none.
    constexpr std::size_t low_features = qcow2::header_features_field + 7;
    const bool has_bits = (before[low_features] & std::byte{3}) != std::byte{0};
    const bool has_stale_hints =
        found.lines.find("the table is not trusted") != std::string::npos ||
        found.lines.find("which costs no data") != std::string::npos;
    if (!has_bits && !has_stale_hints)
      require(without_header_hints(image.content()) == without_header_hints(before),
              "a repair leaves a clean image alone");
  }
  CheckOutcome again = image.check(false);
  if (repaired.repaired()) {
    require(again.error.empty() && again.report.corruptions <= repaired.report.corruptions &&
                again.report.leaks <= repaired.report.leaks &&
                again.report.check_errors <= repaired.report.check_errors,
            "a repair leaves no more than it said: " + again.error + "\nrepair:\n" +
                repaired.lines + "then:\n" + again.lines);
  }
  if (!again.clean() || metadata_is_shared(image.content())) return;

  const std::uint64_t former_end = image.content().size();
  // Whatever it held before: what is clean can be used, and serves its guest right.
  if (!guest_is_known) {
    guest_is_known = image.open({}, true) && guest.take(image.node());
    image.close();
  }
  if (!image.open({{"dedup-verify", "on"}})) return; // for what the header says
  image.wait_for_index();
  if (guest_is_known) {
    guest.require_same(image.node(), "the open writable image holds what it held read-only");
    guest.write_and_compare(image.node());
  } else {
    image.write_somewhere();
    image.read_somewhere();
  }
  const std::uint64_t cluster = image.node().limits().opt_transfer;
  if (!image.close()) return; // a full disk
  CheckOutcome used = image.check(false);
  require(used.repaired() && leaks_lie_beyond(used.lines, former_end / cluster),
          "a clean image is clean after its use: " + used.error + "\n" + used.lines);
}

} // namespace fuzz
