// Rules: from options, and their effect on requests.
#include "block/debug/rules.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <span>
#include <string_view>
#include <thread>

namespace block::debug {
namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t most_milliseconds = 60 * 1000;
constexpr std::uint64_t last_errno = 4095; // the largest that Linux has room for

constexpr IoTypes bit(IoType type) {
  return 1u << static_cast<unsigned>(type);
}

struct Named {
  std::string_view name;
  IoTypes types;
};

constexpr IoTypes all_types = bit(IoType::read) | bit(IoType::write) | bit(IoType::write_zeroes) |
                              bit(IoType::discard) | bit(IoType::flush) | bit(IoType::block_status);
// Asking what lies where fails only if a rule says so.
constexpr IoTypes usual_types = all_types & ~bit(IoType::block_status);

constexpr Named io_types[] = {
    {"read", bit(IoType::read)},
    {"write", bit(IoType::write)},
    {"write-zeroes", bit(IoType::write_zeroes)},
    {"discard", bit(IoType::discard)},
    {"flush", bit(IoType::flush)},
    {"block-status", bit(IoType::block_status)},
};

// The events that happen where a request enters a file, with the requests in which they do. Those
// that happen inside a format driver cannot be seen from here.
constexpr Named events[] = {
    {"none", all_types},
    {"read_aio", bit(IoType::read)},
    {"write_aio", bit(IoType::write)},
    {"pwritev", bit(IoType::write)},
    {"pwritev_zero", bit(IoType::write_zeroes)},
    {"flush_to_disk", bit(IoType::flush)},
};

Result<IoTypes> find(std::span<const Named> all, const char* what, const std::string& name) {
  std::string known;
  for (const Named& entry : all) {
    if (entry.name == name) return entry.types;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Error(ErrorKind::invalid_argument, "blkdebug does not know the " + std::string(what) +
                                                " '" + name + "', only " + known);
}

Result<std::uint64_t> take_within(Options& rule, const char* key, std::uint64_t absent,
                                  std::uint64_t first, std::uint64_t last) {
  if (!rule.contains(key)) return absent;
  BLOCK_TRY_ASSIGN(const std::uint64_t value, rule.take_number(key, absent));
  if (value < first || value > last)
    return Error(ErrorKind::invalid_argument,
                 "Parameter '" + std::string(key) + "' is " + std::to_string(value) +
                     ", not within " + std::to_string(first) + " and " + std::to_string(last));
  return value;
}

// Each group "prefix.N.*" as options of its own, by N.
Result<std::map<std::uint64_t, Options>> take_groups(Options& options, const std::string& prefix) {
  std::map<std::uint64_t, Options> groups;
  const Options rules = options.take_children(prefix);
  for (const auto& [key, value] : rules.entries()) {
    std::uint64_t number = 0;
    const char* const end = key.data() + key.size();
    const auto [rest, error] = std::from_chars(key.data(), end, number);
    if (error != std::errc() || rest == end || *rest != '.')
      return Error(ErrorKind::invalid_argument,
                   "Parameter '" + prefix + "." + key + "' does not name a rule by its number");
    groups[number].set(std::string(rest + 1, end), value);
  }
  return groups;
}

} // namespace

Result<Rules::Match> Rules::take_match(Options& rule, bool has_iotype) {
  Match match;
  const std::string event = rule.take("event").value_or("none");
  BLOCK_TRY_ASSIGN(const IoTypes happens_in, find(events, "event", event));
  match.types = happens_in;
  if (has_iotype) {
    const std::optional<std::string> name = rule.take("iotype");
    IoTypes wanted = usual_types;
    if (name) {
      BLOCK_TRY_ASSIGN(wanted, find(io_types, "iotype", *name));
    }
    match.types &= wanted;
    if (match.types == 0)
      return Error(ErrorKind::invalid_argument, "The event '" + event +
                                                    "' does not happen in requests of iotype '" +
                                                    *name + "'");
  }
  if (rule.contains("sector")) {
    BLOCK_TRY_ASSIGN(match.sector, take_within(rule, "sector", 0, 0, UINT64_MAX / sector_bytes));
  }
  BLOCK_TRY_ASSIGN(match.state, take_within(rule, "state", 0, 0, UINT32_MAX));
  return match;
}

Result<void> Rules::add_error(Options& rule) {
  InjectError error;
  BLOCK_TRY_ASSIGN(error.match, take_match(rule, true));
  BLOCK_TRY_ASSIGN(const std::uint64_t value, take_within(rule, "errno", EIO, 1, last_errno));
  error.errno_value = static_cast<int>(value);
  BLOCK_TRY_ASSIGN(error.once, rule.take_bool("once", false));
  // Whether an error comes at once or a moment later makes no difference to one who waits for it.
  BLOCK_TRY(rule.take_bool("immediately", false));
  errors_.push_back(error);
  return rule.expect_empty("An inject-error rule of blkdebug");
}

Result<void> Rules::add_delay(Options& rule) {
  InjectDelay delay;
  BLOCK_TRY_ASSIGN(delay.match, take_match(rule, true));
  BLOCK_TRY_ASSIGN(const std::uint64_t value,
                   take_within(rule, "milliseconds", 0, 1, most_milliseconds));
  if (value == 0)
    return Error(ErrorKind::invalid_argument,
                 "An inject-delay rule of blkdebug needs parameter 'milliseconds'");
  delay.delay = std::chrono::milliseconds(value);
  delays_.push_back(delay);
  return rule.expect_empty("An inject-delay rule of blkdebug");
}

Result<void> Rules::add_transition(Options& rule) {
  SetState transition;
  BLOCK_TRY_ASSIGN(transition.match, take_match(rule, false));
  BLOCK_TRY_ASSIGN(const std::uint64_t value, take_within(rule, "new_state", 0, 1, UINT32_MAX));
  if (value == 0)
    return Error(ErrorKind::invalid_argument,
                 "A set-state rule of blkdebug needs parameter 'new_state'");
  transition.new_state = static_cast<unsigned>(value);
  transitions_.push_back(transition);
  return rule.expect_empty("A set-state rule of blkdebug");
}

Result<void> Rules::add(Options& options) {
  auto add_groups = [&](const std::string& prefix,
                        Result<void> (Rules::*add_rule)(Options&)) -> Result<void> {
    BLOCK_TRY_ASSIGN(auto groups, take_groups(options, prefix));
    for (auto& [number, rule] : groups) {
      Result<void> added = (this->*add_rule)(rule);
      if (!added) return std::move(added).error().context(prefix + "." + std::to_string(number));
    }
    return {};
  };
  BLOCK_TRY(add_groups("inject-error", &Rules::add_error));
  BLOCK_TRY(add_groups("inject-delay", &Rules::add_delay));
  return add_groups("set-state", &Rules::add_transition);
}

bool Rules::matches(const Match& match, IoType type, std::uint64_t offset,
                    std::uint64_t bytes) const {
  if ((match.types & bit(type)) == 0) return false;
  if (match.state != 0 && match.state != state_) return false;
  if (!match.sector) return true;
  const std::uint64_t begin = *match.sector * sector_bytes;
  return bytes > 0 && offset < begin + sector_bytes && begin < offset + bytes;
}

Result<void> Rules::meet(IoType type, std::uint64_t offset, std::uint64_t bytes) {
  if (errors_.empty() && delays_.empty() && transitions_.empty()) return {};
  auto applies = [&](const auto& rule) { return matches(rule.match, type, offset, bytes); };
  std::chrono::milliseconds delay{0};
  int failed = 0;
  {
    std::lock_guard hold(mutex_);
    if (auto rule = std::find_if(delays_.begin(), delays_.end(), applies); rule != delays_.end())
      delay = rule->delay;
    auto error = std::find_if(errors_.begin(), errors_.end(), [&](const InjectError& rule) {
      return !rule.spent && applies(rule);
    });
    if (error != errors_.end()) {
      failed = error->errno_value;
      error->spent = error->once;
    }
    // Last, so that all rules see the state in which the request began.
    auto transition = std::find_if(transitions_.begin(), transitions_.end(), applies);
    if (transition != transitions_.end()) state_ = transition->new_state;
  }
  if (delay.count() > 0) std::this_thread::sleep_for(delay);
  if (failed != 0) return Error::from_errno(failed, "error injected by blkdebug");
  return {};
}

} // namespace block::debug
