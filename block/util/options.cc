// Options: parses "key=value,..." and returns typed values.
#include "block/options.h"

#include <charconv>
#include <cmath>

namespace block {
namespace {

// Returns the next element up to a single comma; doubled commas become one. Advances `text` past
// the comma.
std::string next_element(std::string_view& text) {
  std::string element;
  while (!text.empty()) {
    if (text.front() == ',') {
      text.remove_prefix(1);
      if (text.empty() || text.front() != ',') return element;
    }
    element.push_back(text.front());
    text.remove_prefix(1);
  }
  return element;
}

Result<unsigned> suffix_shift(char suffix) {
  switch (suffix) {
  case 'b':
  case 'B':
    return 0u;
  case 'k':
  case 'K':
    return 10u;
  case 'm':
  case 'M':
    return 20u;
  case 'g':
  case 'G':
    return 30u;
  case 't':
  case 'T':
    return 40u;
  case 'p':
  case 'P':
    return 50u;
  case 'e':
  case 'E':
    return 60u;
  default:
    return Error(ErrorKind::invalid_argument, "unknown size suffix");
  }
}

} // namespace

Result<Options> Options::parse(std::string_view text, std::string_view implied_key) {
  Options options;
  bool first = true;
  while (!text.empty()) {
    std::string element = next_element(text);
    std::size_t equals = element.find('=');
    if (equals == std::string::npos && first && !implied_key.empty()) {
      options.set(std::string(implied_key), std::move(element));
    } else if (equals == 0 || element.empty()) {
      return Error(ErrorKind::invalid_argument, "Invalid parameter '" + element + "'");
    } else if (equals == std::string::npos) {
      options.set(std::move(element), "on");
    } else {
      options.set(element.substr(0, equals), element.substr(equals + 1));
    }
    first = false;
  }
  return options;
}

bool Options::contains(std::string_view key) const {
  return entries_.find(std::string(key)) != entries_.end();
}

void Options::set(std::string key, std::string value) {
  entries_[std::move(key)] = std::move(value);
}

void Options::set_default(std::string key, std::string value) {
  entries_.try_emplace(std::move(key), std::move(value));
}

std::optional<std::string> Options::take(std::string_view key) {
  auto node = entries_.extract(std::string(key));
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
}

Result<bool> Options::take_bool(std::string_view key, bool absent) {
  std::optional<std::string> text = take(key);
  if (!text) return absent;
  if (*text == "on" || *text == "yes" || *text == "true" || *text == "y") return true;
  if (*text == "off" || *text == "no" || *text == "false" || *text == "n") return false;
  return Error(ErrorKind::invalid_argument,
               "Parameter '" + std::string(key) + "' expects 'on' or 'off'");
}

Result<std::uint64_t> Options::take_size(std::string_view key, std::uint64_t absent) {
  std::optional<std::string> text = take(key);
  if (!text) return absent;
  Result<std::uint64_t> size = parse_size(*text);
  if (!size)
    return Error(ErrorKind::invalid_argument,
                 "Parameter '" + std::string(key) + "' expects a size, not '" + *text + "'");
  return size;
}

Result<std::uint64_t> Options::take_number(std::string_view key, std::uint64_t absent) {
  std::optional<std::string> text = take(key);
  if (!text) return absent;
  std::uint64_t number = 0;
  const char* end = text->data() + text->size();
  auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || stop != end)
    return Error(ErrorKind::invalid_argument,
                 "Parameter '" + std::string(key) + "' expects a number, not '" + *text + "'");
  return number;
}

Options Options::take_children(std::string_view prefix) {
  Options children;
  std::string start = std::string(prefix) + ".";
  for (auto entry = entries_.lower_bound(start);
       entry != entries_.end() && entry->first.starts_with(start);) {
    children.set(entry->first.substr(start.size()), std::move(entry->second));
    entry = entries_.erase(entry);
  }
  return children;
}

Result<void> Options::expect_empty(std::string_view who) const {
  if (entries_.empty()) return {};
  return Error(ErrorKind::invalid_argument,
               std::string(who) + " does not support the option '" + entries_.begin()->first + "'");
}

Result<std::uint64_t> parse_size(std::string_view text) {
  Error bad(ErrorKind::invalid_argument, "invalid size '" + std::string(text) + "'");
  bool hex = text.starts_with("0x") || text.starts_with("0X");
  std::string_view digits = hex ? text.substr(2) : text;
  std::uint64_t whole = 0;
  const char* end = digits.data() + digits.size();
  auto [stop, error] = std::from_chars(digits.data(), end, whole, hex ? 16 : 10);
  if (error != std::errc()) return bad;
  double fraction = 0;
  if (stop != end && *stop == '.' && !hex) {
    double scale = 0.1;
    for (++stop; stop != end && *stop >= '0' && *stop <= '9'; ++stop, scale /= 10)
      fraction += (*stop - '0') * scale;
    if (stop == end && fraction > 0) return bad; // a fraction of a byte
  }
  unsigned shift = 0;
  if (stop != end) {
    if (hex) return bad;
    Result<unsigned> known = suffix_shift(*stop++);
    if (!known || stop != end) return bad;
    shift = *known;
  }
  if (shift > 0 && whole >> (64 - shift) != 0) return bad;
  auto rest = static_cast<std::uint64_t>(std::ldexp(fraction, static_cast<int>(shift)));
  return (whole << shift) + rest;
}

} // namespace block
