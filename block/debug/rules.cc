// Rules: parsing from options, and their effect on requests.
#include "block/debug/rules.h"

#include "block/sector.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <string_view>

namespace block::debug {
namespace {

constexpr std::uint64_t most_milliseconds = 60 * 1000;
constexpr std::uint64_t last_errno = 4095; // the largest errno value of Linux

constexpr IoTypes bit(IoType type) {
  return 1u << static_cast<unsigned>(type);
}

struct NamedType {
  std::string_view name;
  IoTypes types;
};

// A block status request fails only if a rule names it.
constexpr IoTypes usual_types = bit(IoType::read) | bit(IoType::write) | bit(IoType::write_zeroes) |
                                bit(IoType::discard) | bit(IoType::flush);
constexpr IoTypes all_types = usual_types | bit(IoType::block_status);

constexpr NamedType io_types[] = {
    {"read", bit(IoType::read)},
    {"write", bit(IoType::write)},
    {"write-zeroes", bit(IoType::write_zeroes)},
    {"discard", bit(IoType::discard)},
    {"flush", bit(IoType::flush)},
    {"block-status", bit(IoType::block_status)},
};

template <typename Names>
Error not_known(const char* what, const std::string& name, const Names& names, std::string known) {
  for (const auto& entry : names)
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  return Error(ErrorKind::invalid_argument, "blkdebug does not know the " + std::string(what) +
                                                " '" + name + "', only " + known);
}

Result<IoTypes> find_types(const std::string& name) {
  for (const NamedType& entry : io_types)
    if (entry.name == name) return entry.types;
  return not_known("iotype", name, io_types, "");
}

// Returns no event for "none".
Result<std::optional<DebugEvent>> find_event(const std::string& name) {
  if (name == "none") return std::optional<DebugEvent>();
  if (const DebugEventInfo* info = find_debug_event(name)) return std::optional(info->event);
  return not_known("event", name, debug_events, "none");
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

// Takes the options "prefix.N.*" and returns them by N, each group as options of its own.
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
  BLOCK_TRY_ASSIGN(match.event, find_event(rule.take("event").value_or("none")));
  match.types = all_types;
  if (has_iotype) {
    match.types = usual_types;
    if (const std::optional<std::string> name = rule.take("iotype")) {
      BLOCK_TRY_ASSIGN(match.types, find_types(*name));
    }
  }
  if (rule.contains("sector")) {
    constexpr std::uint64_t last_sector = INT64_MAX / sector_bytes;
    BLOCK_TRY_ASSIGN(match.sector, take_within(rule, "sector", 0, 0, last_sector));
    BLOCK_TRY_ASSIGN(match.sectors, take_within(rule, "sectors", 1, 1, last_sector));
  }
  BLOCK_TRY_ASSIGN(match.state, take_within(rule, "state", 0, 0, UINT32_MAX));
  return match;
}

Result<void> Rules::add_error(Options& rule) {
  InjectError error;
  BLOCK_TRY_ASSIGN(error.match, take_match(rule, true));
  BLOCK_TRY_ASSIGN(const std::uint64_t value, take_within(rule, "errno", EIO, 1, last_errno));
  error.errno_value = static_cast<int>(value);
  BLOCK_TRY_ASSIGN(error.done_bytes, take_within(rule, "short", 0, 0, UINT32_MAX));
  BLOCK_TRY_ASSIGN(error.once, rule.take_bool("once", false));
  // Accepted without effect: a synchronous caller waits for the error in both cases.
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
  BLOCK_TRY(add_groups("set-state", &Rules::add_transition));
  auto has_event = [](const auto& rule) { return rule.match.event.has_value(); };
  listens_ = std::ranges::any_of(errors_, has_event) || std::ranges::any_of(delays_, has_event) ||
             std::ranges::any_of(transitions_, has_event);
  return {};
}

bool Rules::fits(const Match& match, IoType type, std::uint64_t offset, std::uint64_t bytes) {
  if ((match.types & bit(type)) == 0) return false;
  if (!match.sector) return true;
  const std::uint64_t begin = *match.sector * sector_bytes;
  return bytes > 0 && offset < begin + match.sectors * sector_bytes && begin < offset + bytes;
}

template <typename Applies>
void Rules::change_state(const Applies& applies) {
  auto transition = std::ranges::find_if(transitions_, applies);
  if (transition != transitions_.end()) state_ = transition->new_state;
}

void Rules::happen(DebugEvent event) {
  if (!listens_) return;
  MutexGuard hold(mutex_);
  auto applies = [&](const auto& rule) {
    return rule.match.event == event && is_ready(rule.match);
  };
  Waiting waiting;
  for (std::size_t i = 0; i < errors_.size(); ++i)
    if (applies(errors_[i])) waiting.errors.push_back(i);
  for (std::size_t i = 0; i < delays_.size(); ++i)
    if (applies(delays_[i])) waiting.delays.push_back(i);
  if (!waiting.errors.empty() || !waiting.delays.empty())
    waiting_[std::this_thread::get_id()] = std::move(waiting);
  change_state(applies);
}

// Returns the first rule that applies to the request, or null. Removes it from `waiting`.
template <typename Rule>
Rule* Rules::find(std::vector<Rule>& rules, std::vector<std::size_t>& waiting, IoType type,
                  std::uint64_t offset, std::uint64_t bytes) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Match& match = rules[i].match;
    if (match.spent || !fits(match, type, offset, bytes)) continue;
    // For a rule with an event, the state was tested when the event happened.
    if (match.event ? std::erase(waiting, i) > 0 : is_ready(match)) return &rules[i];
  }
  return nullptr;
}

Verdict Rules::meet(IoType type, std::uint64_t offset, std::uint64_t bytes) {
  if (errors_.empty() && delays_.empty() && transitions_.empty()) return {};
  std::chrono::milliseconds delay{0};
  Verdict verdict;
  {
    MutexGuard hold(mutex_);
    auto own = waiting_.find(std::this_thread::get_id());
    Waiting none;
    Waiting& waiting = own == waiting_.end() ? none : own->second;
    if (const InjectDelay* rule = find(delays_, waiting.delays, type, offset, bytes))
      delay = rule->delay;
    if (InjectError* rule = find(errors_, waiting.errors, type, offset, bytes)) {
      verdict.error = Error::from_errno(rule->errno_value, "error injected by blkdebug");
      verdict.done_bytes = std::min(rule->done_bytes, bytes);
      rule->match.spent = rule->once;
    }
    if (own != waiting_.end() && waiting.errors.empty() && waiting.delays.empty())
      waiting_.erase(own);
    change_state([&](const SetState& rule) {
      return !rule.match.event && is_ready(rule.match) && fits(rule.match, type, offset, bytes);
    });
  }
  if (delay.count() > 0) std::this_thread::sleep_for(delay);
  return verdict;
}

} // namespace block::debug
