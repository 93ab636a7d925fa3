// dedup-img stats: prints the figures of the deduplicated nodes of a daemon.
#include "block/tools/common/command-line.h"
#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/command.h"
#include "block/tools/img/qmp-connection.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <glib.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace tools::img {
namespace {

using block::Result;
using nlohmann::json;

constexpr const char* unknown = "-"; // a figure that the daemon does not return

// A daemon of another version may lack a figure, or return it with another type.
std::optional<std::uint64_t> number(const json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::string text(const json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return unknown;
  return printable(found->get<std::string>());
}

std::string size(const json& figures, const char* name) {
  auto bytes = number(figures, name);
  return bytes ? format_size(*bytes) : unknown;
}

// Formats a count with a comma between groups of three digits.
std::string count(const json& figures, const char* name) {
  auto value = number(figures, name);
  if (!value) return unknown;
  std::string digits = std::to_string(*value);
  for (std::size_t place = digits.size(); place > 3;)
    digits.insert(place -= 3, ",");
  return digits;
}

std::string decimal(const char* format, double value) {
  char shown[64];
  std::snprintf(shown, sizeof shown, format, value);
  return shown;
}

std::string quotient(const char* format, std::optional<std::uint64_t> part,
                     std::optional<std::uint64_t> whole, double factor = 1) {
  if (!part || !whole || *whole == 0) return unknown;
  return decimal(format, factor * static_cast<double>(*part) / static_cast<double>(*whole));
}

std::string cache_hits(const json& figures) {
  auto hits = number(figures, "cache-hits"), misses = number(figures, "cache-misses");
  if (!hits || !misses) return unknown;
  return quotient("%.1f%%", hits, *hits + *misses, 100);
}

std::string scan_progress(const json& figures) {
  auto found = figures.find("scan");
  if (found == figures.end() || !found->is_object()) return unknown;
  std::string percent =
      quotient("%.1f%%", number(*found, "done-bytes"), number(*found, "total-bytes"), 100);
  if (found->contains("error")) return "failed at " + percent;
  std::string state = text(*found, "state");
  return state == "running" ? percent : state == "idle" ? state : state + " at " + percent;
}

std::string ratio(const json& figures) {
  auto found = figures.find("ratio");
  if (found == figures.end() || !found->is_number()) return unknown;
  return decimal("%.2f", found->get<double>());
}

std::string bytes_per_entry(const json& figures) {
  return quotient("%.1f", number(figures, "index-bytes"), number(figures, "index-entries"));
}

struct Row {
  const char* title;
  std::string (*figure)(const json& figures);
};

constexpr Row rows[] = {
    {"status", [](const json& f) { return text(f, "status"); }},
    {"algorithm", [](const json& f) { return text(f, "algorithm"); }},
    {"data", [](const json& f) { return size(f, "data-bytes"); }},
    {"stored", [](const json& f) { return size(f, "stored-bytes"); }},
    {"saved", [](const json& f) { return size(f, "saved-bytes"); }},
    {"ratio", ratio},
    {"free in the file", [](const json& f) { return size(f, "free-bytes"); }},
    {"written", [](const json& f) { return size(f, "written-bytes"); }},
    {"written to file", [](const json& f) { return size(f, "file-written-bytes"); }},
    {"duplicates written", [](const json& f) { return count(f, "deduplicated-clusters"); }},
    {"new clusters written", [](const json& f) { return count(f, "undeduplicated-clusters"); }},
    {"zeros written", [](const json& f) { return count(f, "zero-clusters"); }},
    {"index entries", [](const json& f) { return count(f, "index-entries"); }},
    {"index RAM", [](const json& f) { return size(f, "index-bytes"); }},
    {"bytes per entry", bytes_per_entry},
    {"table cache RAM", [](const json& f) { return size(f, "cache-bytes"); }},
    {"table cache hits", cache_hits},
    {"scan", scan_progress},
    {"scan duplicates", [](const json& f) { return count(f, "scan-deduplicated-clusters"); }},
};

// Formats a table with one column per node.
std::string table(const json& nodes) {
  if (nodes.empty()) return "No node is deduplicated.\n";
  std::vector<std::string> lines{"node"};
  for (const Row& row : rows)
    lines.push_back(row.title);
  auto append_column = [&lines](std::vector<std::string> cells, bool right) {
    glong width = 0;
    for (const std::string& cell : cells)
      width = std::max(width, g_utf8_strlen(cell.c_str(), -1));
    for (std::size_t i = 0; i < cells.size(); ++i) {
      std::string padding(static_cast<std::size_t>(width - g_utf8_strlen(cells[i].c_str(), -1)),
                          ' ');
      lines[i] = right ? lines[i] + "  " + padding + cells[i] : cells[i] + padding;
    }
  };
  append_column(lines, false);
  for (const json& node : nodes) {
    std::vector<std::string> cells{text(node, "node-name")};
    for (const Row& row : rows)
      cells.push_back(row.figure(node["dedup"]));
    append_column(std::move(cells), true);
  }
  std::string shown;
  for (const std::string& line : lines)
    shown += line + "\n";
  for (const json& node : nodes)
    if (const json& figures = node["dedup"];
        figures.contains("scan") && figures["scan"].is_object())
      if (std::string error = text(figures["scan"], "error"); error != unknown)
        shown += "The scan of " + text(node, "node-name") + " failed: " + error + "\n";
  return shown;
}

Result<json> query(QmpConnection& connection) {
  BLOCK_TRY_ASSIGN(json nodes, connection.command("query-dedup"));
  bool sound = nodes.is_array() && std::ranges::all_of(nodes, [](const json& node) {
                 return node.is_object() && node.contains("dedup") && node["dedup"].is_object();
               });
  if (!sound) return block::Error(block::ErrorKind::io, "query-dedup: the answer makes no sense");
  return nodes;
}

struct StatsJob {
  std::string socket;
  std::optional<double> interval; // seconds between two tables; empty: one table
  bool json = false;
};

Result<void> show(const StatsJob& job) {
  Result<QmpConnection> connection = QmpConnection::open(job.socket);
  if (!connection) return std::move(connection).error().context("'" + job.socket + "'");
  bool in_place = job.interval && !job.json && isatty(STDOUT_FILENO) == 1;
  for (bool first = true;; first = false) {
    Result<json> nodes = query(*connection);
    // With an interval, the end of the daemon is a normal end, whether the connection closes while
    // waiting or during a command.
    if (!nodes && !first && connection->closed()) return {};
    if (!nodes) return std::move(nodes).error().context("'" + job.socket + "'");
    if (in_place)
      std::printf("%s", first ? "\033[2J\033[H" : "\033[H\033[J"); // clear, home
    else if (!first && !job.json)
      std::printf("\n");
    std::printf("%s", job.json ? (json_text(*nodes) + "\n").c_str() : table(*nodes).c_str());
    if (!job.interval) return {};
    // The reader closed the pipe, or main() reports the error.
    if (std::fflush(stdout) != 0) return {};
    BLOCK_TRY_ASSIGN(bool open,
                     connection->stays_open_for(std::chrono::duration<double>(*job.interval)));
    if (!open) return {};
  }
}

// Parses the seconds between two tables: 0.1 to 86400. Empty: 1.
bool parse_interval(const std::string& given, double& seconds) {
  char* end = nullptr;
  seconds = given.empty() ? 1 : g_ascii_strtod(given.c_str(), &end);
  if ((!end || *end == '\0') && seconds >= 0.1 && seconds <= 86400) return true;
  report_usage_error("--watch takes 0.1 to 86400 seconds, not '" + given + "'");
  return false;
}

} // namespace

int stats_command(int argc, char** argv) {
  constexpr int output = 256, watch = 257;
  auto line = CommandLine::parse(
      argc, argv, {{'h', "help", false}, {output, "output", true}, {watch, "watch", true, true}});
  if (!line) return 1;
  if (line->has('h')) return print_help("stats");
  StatsJob job;
  if (!parse_output_format(line->value(output).value_or("human"), job.json)) return 1;
  if (auto interval = line->value(watch))
    if (!parse_interval(*interval, job.interval.emplace())) return 1;
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one QMP socket");
    return 1;
  }
  job.socket = line->operands()[0];
  Result<void> shown = show(job);
  if (shown) return 0;
  report_error(printable(shown.error().message()));
  return 1;
}

} // namespace tools::img
