// CheckFindings: counts what a check finds and reports each finding as one line.
#ifndef BLOCK_QCOW2_CHECK_FINDINGS_H
#define BLOCK_QCOW2_CHECK_FINDINGS_H

#include "block/info.h"

#include <cstdint>
#include <functional>
#include <string>

namespace qcow2 {

// Called by a long loop after each step, to report progress. May be empty.
using CheckStep = std::function<void()>;

// The only code that changes the counters of a check. One thread. Lines go to CheckRequest::report.
// A hostile image can cause millions of findings, so after `max_lines` they are only counted.
class CheckFindings {
public:
  static constexpr std::uint64_t max_lines = 65536;

  // The subject of a line. After an unclean end, refcounts and COPIED flags lag behind the mapping
  // all over the image (lag). Then end() reports them in one line, and their own lines are left
  // out.
  enum class About { damage, lag };

  // The request must outlive the object.
  CheckFindings(const block::CheckRequest& request, bool unclean_end)
      : request_(request), unclean_end_(unclean_end) {}

  // Whether corruptions, or leaks, are to be repaired; whether anything is.
  bool repairs_errors() const { return request_.repair_errors; }
  bool repairs_leaks() const { return request_.repair_leaks; }
  bool repairs() const { return repairs_errors() || repairs_leaks(); }

  // Count and report a finding that is left as it is.
  void corruption(const std::string& line, About about = About::damage);
  void leak(const std::string& line, About about = About::damage);
  // Counts and reports something that could not be examined.
  void failure(const std::string& line);
  // Counts and reports a finding that is repaired.
  void corruption_fixed(const std::string& line, About about = About::damage);
  // `number` of the corruptions, or leaks, counted before are repaired now.
  void corruptions_repaired(std::uint64_t number);
  void leaks_repaired(std::uint64_t number);
  // Reports a line about what is done; counts nothing.
  void note(const std::string& line, About about = About::damage);
  // Call it after all findings.
  void end();

  block::CheckReport& report() { return report_; }
  const block::CheckReport& report() const { return report_; }

private:
  void count(About about);

  const block::CheckRequest& request_;
  const bool unclean_end_;
  std::uint64_t damages_ = 0; // findings, repaired or not
  std::uint64_t lags_ = 0;
  block::CheckReport report_;
  std::uint64_t lines_ = 0;
};

// Formats a finding line as printf does.
[[gnu::format(printf, 1, 2)]] std::string format_line(const char* format, ...);

} // namespace qcow2

#endif
