// Judge: our own driver and check as witnesses, and stock qemu-img as a stranger's.
#include "tests/crash/judge.h"

#include "tests/crash/power-cut.h"
#include "tests/crash/stock.h"

#include <algorithm>

namespace crash {

namespace {

constexpr const char* file_name = "crash-judge";

std::string problem(const Result<void>& result, const std::string& what) {
  return result ? std::string() : what + ": " + result.error().message();
}

std::string findings(const block::CheckReport& report, bool leaks_allowed) {
  if (report.corruptions == 0 && report.check_errors == 0 && (leaks_allowed || report.leaks == 0))
    return {};
  return std::to_string(report.corruptions) + " corruptions, " + std::to_string(report.leaks) +
         " leaks, " + std::to_string(report.check_errors) + " check errors";
}

} // namespace

std::string Judge::open_and_compare(Options options, const GuestModel& guest, GuestDisk& disk,
                                    std::vector<Tag>& content) {
  Result<void> opened = disk.open(std::move(options));
  if (!opened) return "opening: " + opened.error().message();
  Result<std::vector<Tag>> read = disk.read_all();
  if (!read) return "reading: " + read.error().message();
  content = std::move(*read);
  return guest.objection(content);
}

// Leaks of an image whose refcounts are not rebuilt are freed by a repair, and by nothing else.
// Those beyond the end of the file come to light when the file has grown.
std::string Judge::check_closed(bool leaks_allowed) {
  std::string lines;
  Options options = node_options(workload_, file_name);
  auto report = check(options, false, lines);
  if (!report) return "check: " + report.error().message();
  if (std::string wrong = findings(*report, leaks_allowed); !wrong.empty())
    return "check: " + wrong + lines;
  if (report->leaks == 0) return {};
  report = check(options, true, lines);
  if (report) report = check(options, false, lines);
  if (!report) return "check after freeing leaks: " + report.error().message();
  std::string wrong = findings(*report, false);
  return wrong.empty() ? wrong : "check after freeing leaks: " + wrong + lines;
}

std::string Judge::rewrite(std::vector<Tag> content, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  GuestDisk disk;
  if (Result<void> opened = disk.open(node_options(workload_, file_name)); !opened)
    return "opening again: " + opened.error().message();
  const std::vector<Tag> old = content;
  const std::size_t per_cluster = workload_.cluster_bytes / sector_bytes;
  const std::size_t clusters = content.size() / per_cluster;
  for (std::size_t first = 0; first < clusters;) {
    std::size_t count = std::min<std::size_t>(clusters - first, 1 + random() % workload_.longest);
    for (std::size_t cluster = first; cluster < first + count; ++cluster) {
      std::size_t other = random() % clusters;
      bool is_new = random() % 4 == 0;
      for (std::size_t i = 0; i < per_cluster; ++i) {
        std::size_t sector = cluster * per_cluster + i;
        Tag before = old[other * per_cluster + i];
        // What could not be recognised when it was read cannot be made again.
        content[sector] = is_new || before == no_tag ? unique_tag(sector, 1u << 30) : before;
      }
    }
    std::size_t begin = first * per_cluster;
    Result<void> written =
        disk.write(begin, std::span(content).subspan(begin, count * per_cluster));
    if (written && random() % 16 == 0) written = disk.flush();
    if (!written) return "writing again: " + written.error().message();
    first += count;
  }
  Result<std::vector<Tag>> read = disk.read_all();
  if (!read) return "reading again: " + read.error().message();
  for (std::size_t i = 0; i < content.size(); ++i)
    if ((*read)[i] != content[i])
      return "written again: sector " + std::to_string(i) + " reads as " + describe((*read)[i]) +
             ", was written as " + describe(content[i]);
  return problem(disk.close(), "closing again");
}

std::string Judge::judge(const Bytes& image, const GuestModel& guest, std::uint64_t seed) {
  file_ = block::MemoryFile::create(file_name, image);
  std::vector<Tag> content;
  {
    GuestDisk disk;
    std::string wrong = open_and_compare(node_options(workload_, file_name), guest, disk, content);
    if (wrong.empty()) wrong = problem(disk.close(), "closing");
    if (!wrong.empty()) return wrong;
  }
  std::string wrong = check_closed(!workload_.rebuilds);
  if (wrong.empty()) wrong = rewrite(std::move(content), seed);
  if (!wrong.empty()) return wrong;
  wrong = check_closed(!workload_.rebuilds);
  return wrong.empty() ? wrong : "after writing again: " + wrong;
}

std::string Judge::judge_second_cut(const Bytes& image, const GuestModel& guest,
                                    std::uint64_t seed) {
  file_ = block::MemoryFile::create(file_name, image);
  Recording recording;
  {
    Recorder recorder(*file_, [&] { return guest; });
    GuestDisk disk;
    std::vector<Tag> content;
    std::string wrong = open_and_compare(Recorder::recorded(node_options(workload_, file_name)),
                                         guest, disk, content);
    if (wrong.empty()) wrong = problem(disk.close(), "closing");
    if (!wrong.empty()) return wrong;
    Result<Recording> recorded = recorder.finish();
    if (!recorded) return "recording: " + recorded.error().message();
    recording = std::move(*recorded);
  }
  std::mt19937_64 random(seed);
  std::size_t chosen = random() % recording.epochs.size();
  Bytes durable = std::move(recording.start);
  for (std::size_t i = 0; i < chosen; ++i)
    apply_flush(durable, recording.epochs[i]);
  const Epoch& epoch = recording.epochs[chosen];
  std::vector<PowerCut> cuts = power_cuts(epoch, 4);
  PowerCut cut = cuts[random() % cuts.size()];
  std::string wrong = judge(image_after(durable, epoch, cut, seed), guest, seed);
  if (wrong.empty()) return wrong;
  return "second power cut in epoch " + std::to_string(chosen) + ", " + cut.describe() + ": " +
         wrong;
}

// As the header and the table's L1 in the file say.
Result<std::uint64_t> Judge::dedup_table_clusters() {
  block::Graph graph;
  block::Graph::OpenDefaults read_only;
  read_only.read_only = true;
  BLOCK_TRY_ASSIGN(auto node, graph.open(node_options(workload_, file_name), read_only));
  BLOCK_TRY_ASSIGN(block::DriverInfo info, node->get_info());
  std::uint64_t offset = 0, entries = 0;
  for (const auto& [key, value] : info.format_specific)
    if (const auto* facts = std::get_if<block::InfoFields>(&value.value))
      for (const auto& [name, fact] : *facts) {
        if (name == "table-offset") offset = std::get<std::uint64_t>(fact.value);
        if (name == "table-entries") entries = std::get<std::uint64_t>(fact.value);
      }
  const std::uint64_t cluster = workload_.cluster_bytes;
  std::uint64_t clusters = (entries * 8 + cluster - 1) / cluster;
  Bytes table = file_->read(offset, entries * 8);
  for (std::size_t at = 0; at < table.size(); at += 8)
    if (std::any_of(&table[at], &table[at] + 8, [](std::byte b) { return b != std::byte{0}; }))
      clusters += 65536 / cluster;
  return clusters;
}

std::string Judge::stock_check() {
  StockCheck found = StockImage(file_->content()).check(false);
  Result<std::uint64_t> table = dedup_table_clusters();
  if (!table) return "opening read-only: " + table.error().message();
  if (found.corruptions == 0 && found.check_errors == 0 && found.leaks <= *table) return {};
  return "stock qemu-img check: " + std::to_string(found.corruptions) + " corruptions, " +
         std::to_string(found.leaks) + " leaks where the dedup table has " +
         std::to_string(*table) + " clusters\n" + found.output;
}

std::string Judge::judge_stock_repair(const Bytes& image, const GuestModel& guest,
                                      std::uint64_t seed) {
  Bytes repaired;
  {
    StockImage stock(image);
    StockCheck found = stock.check(true);
    if (found.corruptions + found.check_errors + found.leaks > 0)
      return "stock qemu-img check -r all leaves damage:\n" + found.output;
    std::string wrong = guest.objection(tags_in(stock.raw_content()));
    if (!wrong.empty()) return "after stock qemu-img check -r all: " + wrong;
    repaired = stock.content();
  }
  std::string wrong = judge(repaired, guest, seed);
  return wrong.empty() ? wrong : "after stock qemu-img check -r all: " + wrong;
}

} // namespace crash
