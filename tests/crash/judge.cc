// Judge: our own driver and check as witnesses, and stock qemu-img as a stranger's.
#include "tests/crash/judge.h"

#include "tests/crash/next-guest.h"
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

bool lacks_space(const std::string& wrong) {
  return wrong.find("No space left on device") != std::string::npos;
}

} // namespace

std::string Judge::open_and_compare(const GuestModel& guest, Options options) {
  GuestDisk disk;
  if (Result<void> opened = disk.open(std::move(options)); !opened)
    return problem(opened, "opening");
  Result<std::vector<Tag>> read = disk.read_all();
  if (!read) return "reading: " + read.error().message();
  content_ = std::move(*read);
  std::string wrong = guest.objection(content_);
  return wrong.empty() ? problem(disk.close(), "closing") : wrong;
}

std::string Judge::recover_by_check(Repair repair, Options options) {
  std::string lines;
  auto report = check(std::move(options), repair, lines);
  if (!report) return "repairing: " + report.error().message();
  // Other damage keeps leaks from being freed, and is left to -r all or to opening.
  const bool sound = report->corruptions + report->check_errors == 0;
  if (repair == Repair::leaks && !sound) return {};
  std::string wrong = findings(*report, false);
  return wrong.empty() ? wrong : "left by the repair: " + wrong + lines;
}

std::string Judge::recover_by_stock(Repair repair, const GuestModel& guest) {
  StockImage stock(file_->content());
  StockCheck found = stock.check(repair);
  // Stock qemu-img clears "dirty" when it closes the image, though refcounts are still wrong. The
  // feature bit of a dedup table, which it clears too, has our driver repair the rest; without a
  // table the user has to.
  if (found.corruptions > 0 && !workload_.deduplicates()) found = stock.check(Repair::all);
  if (found.check_errors > 0 || (repair == Repair::all && found.corruptions + found.leaks > 0))
    return "left by the repair:\n" + found.output;
  std::string wrong = guest.objection(tags_in(stock.raw_content()));
  file_->set_content(stock.content());
  return wrong.empty() ? wrong : "converted by stock qemu-img: " + wrong;
}

std::string Judge::recover(const GuestModel& guest, const Recovery& recovery,
                           const Options& options) {
  switch (recovery.by) {
  case Recovery::By::opening:
    return open_and_compare(guest, options);
  case Recovery::By::check:
    return recover_by_check(recovery.repair, options);
  case Recovery::By::stock_check:
    return recover_by_stock(recovery.repair, guest);
  }
  return {};
}

// Power fails during the recovery. Afterwards the same is done again, or the image is just opened.
std::string Judge::interrupt(const GuestModel& guest, Recovery& recovery, std::mt19937_64& random) {
  Recorder recorder(*file_, [&] { return guest; });
  std::string wrong =
      recover(guest, recovery, Recorder::recorded(node_options(workload_, file_name)));
  if (!wrong.empty()) return wrong;
  Result<Recording> recording = recorder.finish();
  if (!recording) return "recording: " + recording.error().message();
  std::size_t chosen = random() % recording->epochs.size();
  Bytes durable = std::move(recording->start);
  for (std::size_t i = 0; i < chosen; ++i)
    apply_flush(durable, recording->epochs[i]);
  const Epoch& epoch = recording->epochs[chosen];
  std::vector<PowerCut> cuts = power_cuts(epoch, 4);
  file_->set_content(image_after(durable, epoch, cuts[random() % cuts.size()], random()));
  recovery.interrupted = false;
  if (random() % 2 == 0) recovery.by = Recovery::By::opening;
  return {};
}

std::string Judge::use(std::mt19937_64& random) {
  NextGuest next(node_options(workload_, file_name), *file_, workload_.cluster_bytes,
                 workload_.longest, std::move(content_), random);
  std::string wrong = next.run();
  shared_clusters_ += next.shared_clusters();
  return wrong;
}

std::string Judge::judge(const Bytes& image, const GuestModel& guest, const Recovery& recovery,
                         std::uint64_t seed) {
  file_ = block::MemoryFile::create(file_name, image);
  std::mt19937_64 random(seed);
  const Options options = node_options(workload_, file_name);
  auto all_steps = [&]() -> std::string {
    Recovery second = recovery;
    std::string wrong;
    if (recovery.full) file_->set_capacity(file_->length());
    if (recovery.interrupted) wrong = interrupt(guest, second, random);
    if (wrong.empty()) wrong = recover(guest, second, options);
    file_->set_capacity(UINT64_MAX);
    if (recovery.full && lacks_space(wrong)) wrong = recover(guest, second, options);
    if (wrong.empty() && second.by != Recovery::By::opening)
      wrong = open_and_compare(guest, options);
    if (wrong.empty() && table_ == Table::right) wrong = check_closed();
    if (wrong.empty() && table_ != Table::treacherous) wrong = use(random);
    if (wrong.empty() && table_ != Table::right) wrong = recover_by_check(Repair::all, options);
    if (!wrong.empty()) return wrong;
    wrong = check_closed();
    return wrong.empty() ? wrong : "in the end: " + wrong;
  };
  std::string wrong = all_steps();
  return wrong.empty() ? wrong : recovery.name() + ": " + wrong;
}

// Leaks of an image whose refcounts are not rebuilt are freed by a repair, and by nothing else.
// Those beyond the end of the file come to light when the file has grown.
std::string Judge::check_closed() {
  std::string lines;
  const Options options = node_options(workload_, file_name);
  auto report = check(options, Repair::none, lines);
  if (!report) return "check: " + report.error().message();
  if (std::string wrong = findings(*report, !workload_.rebuilds); !wrong.empty())
    return "check: " + wrong + lines;
  if (report->leaks == 0) return {};
  report = check(options, Repair::leaks, lines);
  if (report) report = check(options, Repair::none, lines);
  if (!report) return "check after freeing leaks: " + report.error().message();
  std::string wrong = findings(*report, false);
  return wrong.empty() ? wrong : "check after freeing leaks: " + wrong + lines;
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
  StockCheck found = StockImage(file_->content()).check(Repair::none);
  Result<std::uint64_t> table = dedup_table_clusters();
  if (!table) return "opening read-only: " + table.error().message();
  if (found.corruptions == 0 && found.check_errors == 0 && found.leaks <= *table) return {};
  return "stock qemu-img check: " + std::to_string(found.corruptions) + " corruptions, " +
         std::to_string(found.leaks) + " leaks where the dedup table has " +
         std::to_string(*table) + " clusters\n" + found.output;
}

} // namespace crash
