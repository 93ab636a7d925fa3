// Counts and reports the findings of a check.
#include "block/qcow2/check/findings.h"

#include <cstdarg>
#include <cstdio>

namespace qcow2 {

void CheckFindings::count(About about) {
  ++(about == About::lag ? lags_ : damages_);
}

void CheckFindings::corruption(const std::string& line, About about) {
  ++report_.corruptions;
  count(about);
  note(line, about);
}

void CheckFindings::leak(const std::string& line, About about) {
  ++report_.leaks;
  count(about);
  note(line, about);
}

void CheckFindings::failure(const std::string& line) {
  ++report_.check_errors;
  count(About::damage);
  note(line);
}

void CheckFindings::corruption_fixed(const std::string& line, About about) {
  ++report_.corruptions_fixed;
  count(about);
  note(line, about);
}

void CheckFindings::corruptions_repaired(std::uint64_t number) {
  report_.corruptions -= number;
  report_.corruptions_fixed += number;
}

void CheckFindings::leaks_repaired(std::uint64_t number) {
  report_.leaks -= number;
  report_.leaks_fixed += number;
}

void CheckFindings::end() {
  if (!unclean_end_ || lags_ == 0) return;
  const std::string lags = std::to_string(lags_) + " refcounts and flags";
  if (repairs() && report_.corruptions == 0 && report_.check_errors == 0)
    note("Repairing the image, which was not closed cleanly: " + lags + " corrected");
  else if (report_.unclean_end_only = damages_ == 0; report_.unclean_end_only)
    note("The image was not closed cleanly: " + lags +
         " are out of date; opening it for writing repairs this; no data is lost");
  else
    note("The image was not closed cleanly: " + lags +
         " are out of date, and there is the damage listed above");
}

void CheckFindings::note(const std::string& line, About about) {
  if (about == About::lag && unclean_end_) return;
  if (!request_.report || lines_ > max_lines) return;
  ++lines_;
  request_.report(lines_ > max_lines ? "Further findings are counted, but not printed" : line);
}

std::string format_line(const char* format, ...) {
  char text[256];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

} // namespace qcow2
