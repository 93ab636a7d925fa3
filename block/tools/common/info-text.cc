// Formats a tree of facts.
#include "block/tools/common/info-text.h"

#include <algorithm>
#include <cstdio>

namespace tools {
namespace {

void append_field(std::string& text, const std::string& name, const block::InfoValue& value,
                  unsigned indent) {
  std::string title = name;
  std::ranges::replace(title, '-', ' ');
  text.append(indent, ' ').append(title).append(":");
  if (const auto* fields = std::get_if<block::InfoFields>(&value.value)) {
    text.append("\n").append(format_fields(*fields, indent + 4));
    return;
  }
  text += " ";
  if (const bool* flag = std::get_if<bool>(&value.value)) text += *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::uint64_t>(&value.value))
    text += std::to_string(*number);
  if (const auto* fraction = std::get_if<double>(&value.value)) {
    char shown[64];
    std::snprintf(shown, sizeof shown, "%.2f", *fraction);
    text += shown;
  }
  if (const auto* word = std::get_if<std::string>(&value.value)) text += *word;
  text += "\n";
}

} // namespace

std::string format_fields(const block::InfoFields& fields, unsigned indent) {
  std::string text;
  for (const auto& [name, value] : fields)
    append_field(text, name, value, indent);
  return text;
}

} // namespace tools
