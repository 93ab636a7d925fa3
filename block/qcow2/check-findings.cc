// Counting and reporting of what a check finds.
#include "block/qcow2/check-findings.h"

#include <cstdarg>
#include <cstdio>

namespace qcow2 {

void CheckFindings::corruption(const std::string& line) {
  ++report_.corruptions;
  note(line);
}

void CheckFindings::leak(const std::string& line) {
  ++report_.leaks;
  note(line);
}

void CheckFindings::failure(const std::string& line) {
  ++report_.check_errors;
  note(line);
}

void CheckFindings::corruption_fixed(const std::string& line) {
  ++report_.corruptions_fixed;
  note(line);
}

void CheckFindings::leak_fixed(const std::string& line) {
  ++report_.leaks_fixed;
  note(line);
}

void CheckFindings::corruptions_repaired(std::uint64_t number) {
  report_.corruptions -= number;
  report_.corruptions_fixed += number;
}

void CheckFindings::leaks_repaired(std::uint64_t number) {
  report_.leaks -= number;
  report_.leaks_fixed += number;
}

void CheckFindings::note(const std::string& line) {
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
