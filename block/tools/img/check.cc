// dedup-img check: examines an image and repairs it on request.
#include "block/tools/common/command-line.h"
#include "block/tools/common/image.h"
#include "block/tools/common/program.h"
#include "block/tools/common/progress.h"
#include "block/tools/common/sizes.h"
#include "block/tools/img/command.h"
#include "block/tools/img/info-report.h"

#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tools::img {
namespace {

using block::CheckReport;
using block::CheckRequest;

// Exit statuses that scripts depend on.
constexpr int status_clean = 0, status_failed = 1, status_corrupt = 2, status_leaks = 3,
              status_unsupported = 63;

void print_findings(const CheckReport& report) {
  if (report.corruptions == 0 && report.leaks == 0 && report.check_errors == 0)
    std::printf("No errors were found on the image.\n");
  if (report.corruptions != 0)
    std::printf(
        "\n%" PRIu64 " errors were found on the image.\n%s\n", report.corruptions,
        report.unclean_end_only
            ? "They are those of an unclean end: no data is lost, and opening the image for "
              "writing repairs them."
            : "Data may be corrupted, or further writes to the image may corrupt it.");
  if (report.leaks != 0)
    std::printf("\n%" PRIu64 " leaked clusters were found on the image.\n"
                "This means waste of disk space, but no harm to data.\n",
                report.leaks);
  if (report.check_errors != 0)
    std::printf("\n%" PRIu64 " internal errors have occurred during the check.\n",
                report.check_errors);
}

void print_statistics(const CheckReport& report, bool deep) {
  auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) * 100.0 / static_cast<double>(whole);
  };
  if (report.total_clusters != 0 && report.allocated_clusters != 0)
    std::printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, "
                "%0.2f%% compressed clusters\n",
                report.allocated_clusters, report.total_clusters,
                percent(report.allocated_clusters, report.total_clusters),
                percent(report.fragmented_clusters, report.allocated_clusters),
                percent(report.compressed_clusters, report.allocated_clusters));
  if (report.image_end_offset != 0)
    std::printf("Image end offset: %" PRIu64 "\n", report.image_end_offset);
  if (report.data)
    std::printf("Data: %s, stored: %s, saved: %s, ratio: %.2f, free in the file: %s\n",
                format_size(report.data->data_bytes).c_str(),
                format_size(report.data->stored_bytes).c_str(),
                format_size(report.data->saved_bytes()).c_str(), report.data->ratio(),
                format_size(report.data->free_bytes).c_str());
  if (deep && report.compared_clusters == 0)
    std::printf("Compared with their hashes: nothing, as the image has no hashes\n");
  else if (deep)
    std::printf("Compared with their hashes: %" PRIu64 " clusters\n", report.compared_clusters);
}

std::string report_as_json(const CheckReport& report, bool deep, const std::string& filename,
                           const std::string& format) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  auto add_unless_zero = [&object](const char* name, std::uint64_t value) {
    if (value != 0) object[name] = value;
  };
  add_unless_zero("image-end-offset", report.image_end_offset);
  add_unless_zero("total-clusters", report.total_clusters);
  object["check-errors"] = report.check_errors;
  add_unless_zero("corruptions", report.corruptions);
  add_unless_zero("corruptions-fixed", report.corruptions_fixed);
  add_unless_zero("leaks", report.leaks);
  add_unless_zero("leaks-fixed", report.leaks_fixed);
  add_unless_zero("allocated-clusters", report.allocated_clusters);
  add_unless_zero("fragmented-clusters", report.fragmented_clusters);
  add_unless_zero("compressed-clusters", report.compressed_clusters);
  if (deep) object["compared-clusters"] = report.compared_clusters;
  if (report.data) object.update(fields_as_json(report.data->fields()));
  object["filename"] = filename;
  object["format"] = format;
  return json_text(object);
}

// Prints the findings of one check on stderr: all of them with --all, otherwise the first ones. A
// damaged table can have thousands of findings, and the first ones show the cause.
class FindingList {
public:
  explicit FindingList(bool all) : most_(all ? UINT64_MAX : 20) {}

  void add(const std::string& finding) {
    if (++count_ <= most_) std::fprintf(stderr, "%s\n", finding.c_str());
  }
  void end() const {
    if (count_ > most_)
      std::fprintf(stderr, "... and %" PRIu64 " more; --all lists them\n", count_ - most_);
  }

private:
  const std::uint64_t most_;
  std::uint64_t count_ = 0;
};

block::Result<CheckReport> check_once(block::Node& node, CheckRequest& request, bool list_all) {
  FindingList findings(list_all);
  request.report = [&findings](const std::string& finding) { findings.add(finding); };
  block::Result<CheckReport> report = node.check(request);
  findings.end();
  return report;
}

// Checks the image. Checks it again after a repair, so that the figures describe the repaired
// image.
block::Result<CheckReport> examine(block::Node& node, CheckRequest request, bool list_all,
                                   bool say_repairs) {
  BLOCK_TRY_ASSIGN(CheckReport report, check_once(node, request, list_all));
  if (report.corruptions_fixed == 0 && report.leaks_fixed == 0) return report;
  if (say_repairs)
    std::printf("The following inconsistencies were found and repaired:\n\n"
                "    %" PRIu64 " leaked clusters\n"
                "    %" PRIu64 " corruptions\n\n"
                "Double checking the fixed image now...\n",
                report.leaks_fixed, report.corruptions_fixed);
  request.repair_leaks = request.repair_errors = false;
  BLOCK_TRY_ASSIGN(CheckReport again, check_once(node, request, list_all));
  again.corruptions_fixed = report.corruptions_fixed;
  again.leaks_fixed = report.leaks_fixed;
  return again;
}

struct CheckJob {
  ImageName name;
  CheckRequest request;
  CacheMode cache;
  bool force_share = false;
  bool list_all = false; // --all: print every finding
  bool json = false;
  bool quiet = false;
  bool progress = false;
};

int run(CheckJob& job) {
  block::Graph graph;
  bool repair = job.request.repair_leaks || job.request.repair_errors;
  auto image = open_image(graph, job.name,
                          {.write = repair,
                           .force_share = job.force_share,
                           .no_backing = true,
                           .for_check = true,
                           .cache = job.cache});
  if (!image) {
    report_error(std::move(image).error().context("Could not open '" + job.name.name + "'"));
    return status_failed;
  }
  if (!image->node().driver().check) {
    report_error("This image format does not support checks");
    return status_unsupported;
  }
  block::Result<CheckReport> report = [&] {
    ProgressLine progress(job.progress);
    job.request.progress = [&progress](std::uint64_t done, std::uint64_t total) {
      progress.update(done, total);
    };
    return examine(image->node(), job.request, job.list_all, !job.json && !job.quiet);
  }();
  if (!report) {
    report_error(std::move(report).error().context("Check failed"));
    return status_failed;
  }
  std::string filename = (*image)->filename(), format = (*image)->driver().format_name;
  *image = Image();
  if (!close_graph(graph)) return status_failed;
  if (job.json) {
    std::printf("%s\n", report_as_json(*report, job.request.deep, filename, format).c_str());
  } else if (!job.quiet) {
    print_findings(*report);
    print_statistics(*report, job.request.deep);
  }
  if (report->check_errors != 0) {
    report_error("Check failed");
    return status_failed;
  }
  if (report->corruptions != 0) return status_corrupt;
  return report->leaks != 0 ? status_leaks : status_clean;
}

} // namespace

int check_command(int argc, char** argv) {
  constexpr int output = 256, image_opts = 257, deep = 258, all = 259;
  auto line = CommandLine::parse(argc, argv,
                                 {{'f', "format", true},
                                  {'h', "help", false},
                                  {'p', "progress", false},
                                  {'q', "quiet", false},
                                  {'r', "repair", true},
                                  {'T', "source-cache", true},
                                  {'U', "force-share", false},
                                  {output, "output", true},
                                  {image_opts, "image-opts", false},
                                  {all, "all", false},
                                  {deep, "deep", false}});
  if (!line) return status_failed;
  if (line->has('h')) return print_help("check");
  CheckJob job;
  if (auto repair = line->value('r')) {
    if (*repair != "leaks" && *repair != "all") {
      report_usage_error("Unknown option value for -r (expecting 'leaks' or 'all'): " + *repair);
      return status_failed;
    }
    job.request.repair_leaks = true;
    job.request.repair_errors = *repair == "all";
  }
  job.request.deep = line->has(deep);
  if (!parse_output_format(line->value(output).value_or("human"), job.json)) return status_failed;
  if (!parse_cache_option(line->value('T'), "source cache", job.cache)) return status_failed;
  if (line->operands().size() != 1) {
    report_usage_error("Expecting one image file name");
    return status_failed;
  }
  if (!parse_image_name(*line, line->operands()[0], 'f', image_opts, job.name))
    return status_failed;
  job.force_share = line->has('U');
  job.list_all = line->has(all);
  job.quiet = line->has('q');
  job.progress = line->has('p') && !job.quiet;
  return run(job);
}

} // namespace tools::img
