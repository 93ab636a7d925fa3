// CheckFindings: counts what a check finds and reports each finding as one line.
#ifndef BLOCK_QCOW2_CHECK_FINDINGS_H
#define BLOCK_QCOW2_CHECK_FINDINGS_H

#include "block/info.h"

#include <cstdint>
#include <functional>
#include <string>

namespace qcow2 {

// How often a long loop reports, and to whom. May be empty.
using CheckStep = std::function<void()>;

// The one place where a check's counters change. One thread. Lines end up in CheckRequest::report;
// a hostile image can provoke millions, so after `max_lines` they are only counted.
class CheckFindings {
public:
  static constexpr std::uint64_t max_lines = 65536;

  // The request must outlive the object.
  explicit CheckFindings(const block::CheckRequest& request) : request_(request) {}

  // Whether corruptions, or leaks, shall be repaired.
  bool repairs_errors() const { return request_.repair_errors; }
  bool repairs_leaks() const { return request_.repair_leaks; }

  // Found and left as it is.
  void corruption(const std::string& line);
  void leak(const std::string& line);
  // Something could not be examined.
  void failure(const std::string& line);
  // Found and repaired.
  void corruption_fixed(const std::string& line);
  void leak_fixed(const std::string& line);
  // So many of the corruptions, or leaks, counted before are repaired now.
  void corruptions_repaired(std::uint64_t number);
  void leaks_repaired(std::uint64_t number);
  // Says what is done; counts nothing.
  void note(const std::string& line);

  block::CheckReport& report() { return report_; }
  const block::CheckReport& report() const { return report_; }

private:
  const block::CheckRequest& request_;
  block::CheckReport report_;
  std::uint64_t lines_ = 0;
};

// printf for finding lines.
[[gnu::format(printf, 1, 2)]] std::string format_line(const char* format, ...);

} // namespace qcow2

#endif
