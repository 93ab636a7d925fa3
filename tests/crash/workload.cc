// Workload: chance requests of every kind, each told to the model before it begins.
#include "tests/crash/workload.h"

#include <algorithm>

namespace crash {

namespace {

constexpr const char* file_name = "crash-workload";

class Guest {
public:
  Guest(const Workload& workload, GuestModel& model, std::uint64_t seed)
      : workload_(workload),
        model_(model),
        per_cluster_(workload.cluster_bytes / sector_bytes),
        random_(seed) {}

  // Requests one after another: first in order, then anywhere.
  Result<void> session(Options options);
  Result<void> fill(std::size_t clusters);
  Result<void> close();

private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  std::size_t clusters() const { return model_.sectors() / per_cluster_; }
  Result<void> step();
  Result<void> write(std::size_t first, std::span<const Tag> tags);
  Result<void> write_clusters(std::size_t cluster, std::size_t count);
  Result<void> write_part();
  Result<void> write_zeroes();
  Result<void> discard();
  Result<void> flush();
  Result<void> grow();
  Result<void> pause_or_resume();
  void choose_content(std::size_t cluster, std::vector<Tag>& tags);

  const Workload& workload_;
  GuestModel& model_;
  const std::size_t per_cluster_; // sectors
  std::mt19937_64 random_;
  std::uint64_t version_ = 0;
  bool paused_ = false;
  GuestDisk disk_;
};

// New content, zeros, content of the common pool, or what another cluster holds now.
void Guest::choose_content(std::size_t cluster, std::vector<Tag>& tags) {
  std::uint64_t chance = below(100);
  std::uint64_t number = below(12);
  std::size_t other = below(clusters());
  ++version_;
  for (std::size_t i = 0; i < per_cluster_; ++i)
    tags.push_back(chance < 45   ? unique_tag(cluster * per_cluster_ + i, version_)
                   : chance < 50 ? Tag{0}
                   : chance < 75 ? common_tag(number, i)
                                 : model_.current(other * per_cluster_ + i));
}

Result<void> Guest::write(std::size_t first, std::span<const Tag> tags) {
  model_.will_write(first, tags);
  return disk_.write(first, tags);
}

Result<void> Guest::write_clusters(std::size_t cluster, std::size_t count) {
  std::vector<Tag> tags;
  for (std::size_t i = 0; i < count; ++i)
    choose_content(cluster + i, tags);
  return write(cluster * per_cluster_, tags);
}

// From anywhere to anywhere, not aligned to clusters.
Result<void> Guest::write_part() {
  std::size_t first = below(model_.sectors());
  std::size_t count = 1 + below(std::min(model_.sectors() - first, 2 * per_cluster_));
  std::vector<Tag> tags;
  ++version_;
  for (std::size_t i = 0; i < count; ++i)
    tags.push_back(unique_tag(first + i, version_));
  return write(first, tags);
}

Result<void> Guest::write_zeroes() {
  std::size_t first = below(model_.sectors());
  std::size_t count =
      1 + below(std::min(model_.sectors() - first, workload_.longest * per_cluster_));
  model_.will_write(first, std::vector<Tag>(count));
  return disk_.write_zeroes(first, count, below(2) == 0);
}

Result<void> Guest::discard() {
  std::size_t cluster = below(clusters());
  std::size_t count = 1 + below(std::min(clusters() - cluster, workload_.longest));
  model_.will_write(cluster * per_cluster_, std::vector<Tag>(count * per_cluster_));
  return disk_.discard(cluster * per_cluster_, count * per_cluster_);
}

Result<void> Guest::flush() {
  BLOCK_TRY(disk_.flush());
  model_.flushed();
  return {};
}

Result<void> Guest::grow() {
  std::size_t sectors = model_.sectors() + (1 + below(workload_.longest)) * per_cluster_;
  model_.will_grow(sectors);
  return disk_.grow(sectors);
}

Result<void> Guest::pause_or_resume() {
  if (!disk_.node().query_dedup()) return {};
  paused_ = !paused_;
  if (paused_) return disk_.node().pause_dedup();
  BLOCK_TRY(disk_.node().resume_dedup());
  return disk_.wait_for_dedup(); // so that one seed always leads to the same writes
}

Result<void> Guest::step() {
  if (below(workload_.flush_one_in) == 0) return flush();
  std::uint64_t chance = below(100);
  if (chance < 6) return discard();
  if (chance < 12) return write_zeroes();
  if (chance < 26) return write_part();
  if (chance < 28) return grow();
  if (chance < 31) return pause_or_resume();
  std::size_t cluster = below(clusters());
  std::size_t most = std::min(clusters() - cluster, workload_.longest);
  return write_clusters(cluster, 1 + below(most));
}

Result<void> Guest::fill(std::size_t count) {
  BLOCK_TRY(disk_.open(node_options(workload_, file_name)));
  for (std::size_t done = 0; done < count;) {
    std::size_t now = std::min<std::size_t>(count - done, 64);
    std::vector<Tag> tags;
    ++version_;
    for (std::size_t cluster = done; cluster < done + now; ++cluster) {
      const std::uint64_t number = below(1 + count / 3);
      for (std::size_t i = 0; i < per_cluster_; ++i)
        tags.push_back(workload_.switched_off ? common_tag(number, i)
                                              : unique_tag(cluster * per_cluster_ + i, version_));
    }
    BLOCK_TRY(write(done * per_cluster_, tags));
    done += now;
  }
  if (workload_.switched_off) BLOCK_TRY(disk_.switch_dedup_off());
  return close();
}

Result<void> Guest::session(Options options) {
  BLOCK_TRY(disk_.open(std::move(options)));
  paused_ = false;
  std::size_t in_order = workload_.steps / 10;
  for (std::size_t i = 0; i < in_order; ++i)
    BLOCK_TRY(write_clusters((workload_.filled + i * workload_.longest / 2) %
                                 (clusters() - workload_.longest),
                             workload_.longest / 2));
  for (std::size_t i = in_order; i < workload_.steps; ++i)
    BLOCK_TRY(step());
  if (paused_) BLOCK_TRY(pause_or_resume());
  return {};
}

Result<void> Guest::close() {
  BLOCK_TRY(disk_.close());
  model_.flushed();
  return {};
}

} // namespace

Options node_options(const Workload& workload, const std::string& file) {
  Options options = workload.open;
  options.set("driver", "qcow2");
  options.set("file.driver", "memory");
  options.set("file.filename", file);
  return options;
}

Result<Recording> record(const Workload& workload, std::uint64_t seed) {
  auto file = block::MemoryFile::create(file_name);
  std::size_t sectors = workload.clusters * workload.cluster_bytes / sector_bytes;
  Options create = workload.create;
  create.set("size", std::to_string(sectors * sector_bytes));
  create.set("cluster_size", std::to_string(workload.cluster_bytes));
  BLOCK_TRY(block::create_image("qcow2", std::string("memory:") + file_name, std::move(create)));
  GuestModel model(sectors);
  Guest guest(workload, model, seed);
  if (workload.filled > 0) BLOCK_TRY(guest.fill(workload.filled));
  Recorder recorder(*file, [&] { return model; });
  const Options recorded = Recorder::recorded(node_options(workload, file_name));
  BLOCK_TRY(guest.session(recorded));
  BLOCK_TRY(guest.close());
  BLOCK_TRY(guest.session(recorded));
  return recorder.finish();
}

} // namespace crash
