// Races: threads note what they did and when; the judgement comes when all have ended.
#include "tests/stress/race.h"

#include <algorithm>
#include <thread>

namespace stress {
namespace {

std::uint64_t content_number(Tag tag) {
  return (tag & ~(Tag{1} << 62)) >> 24;
}

Tag tag_at(std::uint64_t content, std::size_t sector) {
  return content == 0 ? Tag{0} : crash::common_tag(content, sector % block_sectors);
}

std::string place(std::size_t sector) {
  return "block " + std::to_string(sector / block_sectors) + " sector " +
         std::to_string(sector % block_sectors) + ": ";
}

} // namespace

// One thread.
class Race::Runner {
public:
  Runner(Race& race, unsigned number, bool writes, std::uint64_t seed)
      : race_(race), number_(number), writes_(writes), random_(seed) {}

  void run() {
    for (std::size_t i = 0; i < race_.shape_.operations && fault_.empty(); ++i)
      if (writes_)
        write();
      else
        read();
  }

  const std::string& fault() const { return fault_; }
  const std::vector<Seen>& seen() const { return seen_; }

private:
  struct Range {
    std::size_t first, sectors;
  };

  std::size_t below(std::size_t end) { return random_() % end; }

  // Of one to three blocks; in the second half, where `parts` says so, only a part of them.
  Range choose_range(bool parts) {
    const std::size_t half = race_.shape_.blocks / 2;
    const std::size_t begin = below(2) * half;
    const std::size_t block = begin + below(half);
    const std::size_t blocks = 1 + below(std::min<std::size_t>(3, begin + half - block));
    Range range{block * block_sectors, blocks * block_sectors};
    if (!parts || begin == 0 || below(4) == 0) return range;
    const std::size_t skipped = below(block_sectors);
    return {range.first + skipped, 1 + below(range.sectors - skipped)};
  }

  void note(Range range, Operation::Kind kind, std::span<const Tag> tags, Time begin, Time end) {
    for (std::size_t i = 0; i < range.sectors; ++i)
      seen_.push_back({range.first + i, {kind, tags[i], begin, end, number_}});
  }

  void write() {
    const Range range = choose_range(true);
    std::vector<Tag> tags;
    bool all_zero = true;
    while (tags.size() < range.sectors) {
      const std::size_t block = (range.first + tags.size()) / block_sectors;
      const std::uint64_t content = race_.choose_content(block, random_);
      for (std::size_t at = range.first + tags.size();
           at < (block + 1) * block_sectors && tags.size() < range.sectors; ++at)
        tags.push_back(tag_at(content, at));
      all_zero = all_zero && content == 0;
    }
    const bool whole = range.first % block_sectors == 0 && range.sectors % block_sectors == 0;
    const std::size_t ways = race_.shape_.discards && whole ? zeroing_kinds : zeroing_kinds - 1;
    const auto way = static_cast<Zeroing>(below(ways));
    const Time begin = now();
    Result<void> done = all_zero ? race_.storage_.zero(range.first, range.sectors, way)
                                 : race_.storage_.write(range.first, tags);
    const Time end = now();
    if (!done) fault_ = done.error().message();
    note(range, Operation::Kind::write, tags, begin, end);
  }

  void read() {
    const Range range = choose_range(below(2) == 0);
    const Time begin = now();
    Result<std::vector<Tag>> tags = race_.storage_.read(range.first, range.sectors);
    const Time end = now();
    if (tags)
      fault_ = race_.mixture_in(range.first, *tags);
    else
      fault_ = tags.error().message();
    if (fault_.empty()) note(range, Operation::Kind::read, *tags, begin, end);
  }

  Race& race_;
  const unsigned number_;
  const bool writes_;
  std::mt19937_64 random_;
  std::vector<Seen> seen_;
  std::string fault_;
};

Race::Race(Storage& storage, RaceShape shape, std::uint64_t seed)
    : storage_(storage), shape_(shape), random_(seed), chosen_(shape.blocks) {}

std::uint64_t Race::choose_content(std::size_t block, std::mt19937_64& random) {
  std::lock_guard hold(choosing_);
  // A few contents at a time, which move on when most blocks have had them.
  ++choices_;
  std::uint64_t content =
      random() % 12 == 0 ? 0 : 1 + choices_ / (shape_.blocks / 4) + random() % 4;
  while (!chosen_[block].insert(content).second)
    content = content == 0 ? 1 + choices_ / (shape_.blocks / 4) : content + 1;
  return content;
}

std::string Race::mixture_in(std::size_t first, std::span<const Tag> tags) const {
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const std::size_t sector = first + i;
    if (tags[i] == crash::no_tag) return place(sector) + "two contents are mixed within the sector";
    if (tags[i] != tag_at(content_number(tags[i]), sector))
      return place(sector) + "another sector's content: " + crash::describe(tags[i]);
    const bool whole = sector / block_sectors < shape_.blocks / 2;
    if (whole && i > 0 && sector % block_sectors > 0 &&
        content_number(tags[i]) != content_number(tags[i - 1]))
      return place(sector) + crash::describe(tags[i]) + " beside " + crash::describe(tags[i - 1]);
  }
  return {};
}

std::string Race::read_initial() {
  Result<std::vector<Tag>> tags = storage_.read(0, shape_.blocks * block_sectors);
  if (!tags) return tags.error().message();
  initial_ = std::move(*tags);
  for (std::size_t sector = 0; sector < initial_.size(); ++sector)
    chosen_[sector / block_sectors].insert(content_number(initial_[sector]));
  return mixture_in(0, initial_);
}

std::string Race::run() {
  for (std::set<std::uint64_t>& contents : chosen_)
    contents.clear();
  if (std::string fault = read_initial(); !fault.empty()) return fault;
  std::vector<Runner> runners;
  for (std::size_t i = 0; i < shape_.writers + shape_.readers; ++i)
    runners.emplace_back(*this, static_cast<unsigned>(i), i < shape_.writers, random_());
  std::vector<std::thread> threads;
  for (Runner& runner : runners)
    threads.emplace_back([&runner] { runner.run(); });
  for (std::thread& thread : threads)
    thread.join();
  for (const Runner& runner : runners)
    if (!runner.fault().empty()) return runner.fault();
  return judge(runners);
}

std::string Race::judge(const std::vector<Runner>& runners) {
  std::vector<std::vector<Operation>> registers(initial_.size());
  for (const Runner& runner : runners)
    for (const Seen& seen : runner.seen())
      registers[seen.sector].push_back(seen.operation);
  const Time end = now();
  Result<std::vector<Tag>> last = storage_.read(0, initial_.size());
  if (!last) return last.error().message();
  if (std::string fault = mixture_in(0, *last); !fault.empty()) return fault;
  for (std::size_t sector = 0; sector < registers.size(); ++sector) {
    std::vector<Operation>& operations = registers[sector];
    for (const Operation& each : operations) {
      ++(each.kind == Operation::Kind::read ? reads_ : writes_);
      if (each.kind != Operation::Kind::read) continue;
      meetings_ += std::any_of(operations.begin(), operations.end(), [&](const Operation& other) {
        return other.kind == Operation::Kind::write && other.begin < each.end &&
               each.begin < other.end;
      });
    }
    operations.push_back({Operation::Kind::read, (*last)[sector], end, end, 0});
    if (std::string fault = fault_of(initial_[sector], operations); !fault.empty())
      return place(sector) + fault;
  }
  return {};
}

} // namespace stress
