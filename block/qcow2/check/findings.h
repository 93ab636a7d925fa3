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

  // What a line is about. Refcounts and COPIED flags lag behind the mapping after an unclean end,
  // all over the image; then end() says so in one line, and these lines are left out.
  enum class About { damage, lag };

  // The request must outlive the object.
  CheckFindings(const block::CheckRequest& request, bool unclean_end)
      : request_(request), unclean_end_(unclean_end) {}

  // Whether corruptions, or leaks, shall be repaired; whether anything shall.
  bool repairs_errors() const { return request_.repair_errors; }
  bool repairs_leaks() const { return request_.repair_leaks; }
  bool repairs() const { return repairs_errors() || repairs_leaks(); }

  // Found and left as it is.
  void corruption(const std::string& line, About about = About::damage);
  void leak(const std::string& line, About about = About::damage);
  // Something could not be examined.
  void failure(const std::string& line);
  // Found and repaired.
  void corruption_fixed(const std::string& line, About about = About::damage);
  // So many of the corruptions, or leaks, counted before are repaired now.
  void corruptions_repaired(std::uint64_t number);
  void leaks_repaired(std::uint64_t number);
  // Says what is done; counts nothing.
  void note(const std::string& line, About about = About::damage);
  // After all findings.
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

// printf for finding lines.
[[gnu::format(printf, 1, 2)]] std::string format_line(const char* format, ...);

} // namespace qcow2

#endif
