// ExportRegistry: adds, finds and removes exports.
#include "block/export/registry.h"

#include <algorithm>

namespace exports {
namespace {

constexpr std::size_t longest_name = 4096; // bytes: the limit of the NBD protocol for strings

} // namespace

ExportRegistry::~ExportRegistry() {
  remove_all();
}

block::Result<void> ExportRegistry::check_new(const ExportOptions& options) const {
  using block::Error;
  using block::ErrorKind;
  if (options.id.empty()) return Error(ErrorKind::invalid_argument, "Parameter 'id' is missing");
  if (options.name.size() > longest_name)
    return Error(ErrorKind::invalid_argument, "export name is longer than 4096 bytes");
  if (options.description.size() > longest_name)
    return Error(ErrorKind::invalid_argument, "description is longer than 4096 bytes");
  if (by_id_.count(options.id) != 0)
    return Error(ErrorKind::exists, "Block export id '" + options.id + "' is already in use");
  for (const auto& [id, entry] : by_id_)
    if (entry.used->options().name == options.name)
      return Error(ErrorKind::exists, "NBD server already has export named '" + options.name + "'");
  return {};
}

block::Result<void> ExportRegistry::add(ExportOptions options) {
  std::shared_ptr<block::Node> node = graph_.find(options.node_name);
  if (!node)
    return block::Error(block::ErrorKind::not_found,
                        "Cannot find node '" + options.node_name + "'");
  std::lock_guard lock(mutex_);
  BLOCK_TRY(check_new(options));
  BLOCK_TRY_ASSIGN(auto attachment,
                   block::Node::attach(node, "block export '" + options.id + "'",
                                       {.write = options.writable, .allow_other_writers = true}));
  std::string id = options.id;
  by_id_[id].used = std::make_shared<Export>(std::move(options), std::move(attachment),
                                             [this](Export& ended) { forget(ended); });
  return {};
}

block::Result<void> ExportRegistry::remove(const std::string& id, RemoveMode mode) {
  std::shared_ptr<Export> removed;
  {
    std::lock_guard lock(mutex_);
    auto found = by_id_.find(id);
    if (found == by_id_.end())
      return block::Error(block::ErrorKind::not_found, "Export '" + id + "' is not found");
    if (found->second.used->shutting_down())
      return block::Error(block::ErrorKind::busy, "Export '" + id + "' is already shutting down");
    if (mode == RemoveMode::safe && found->second.connections > 0)
      return block::Error(block::ErrorKind::busy, "export '" + id + "' still in use")
          .with_hint("Use mode='hard' to end its clients' use of it");
    removed = found->second.used;
    // Under the lock, so that no client connects after the number of connections was tested.
    removed->refuse();
  }
  removed->shut_down(); // not under the lock: it may call forget()
  return {};
}

void ExportRegistry::remove_all() {
  std::vector<std::shared_ptr<Export>> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : by_id_)
      all.push_back(entry.used);
  }
  for (const std::shared_ptr<Export>& one : all)
    one->shut_down();
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return by_id_.empty() && telling_ == 0; });
}

void ExportRegistry::forget(const Export& ended) {
  std::unique_lock lock(mutex_);
  // Held until the end of the function: the map may have had the last reference.
  std::shared_ptr<Export> kept = std::move(by_id_.extract(ended.options().id).mapped().used);
  ++telling_;
  lock.unlock();
  on_deleted_(kept->options().id);
  lock.lock();
  --telling_;
  ended_.notify_all();
}

std::vector<ExportFacts> ExportRegistry::list() const {
  std::lock_guard lock(mutex_);
  std::vector<ExportFacts> facts;
  for (const auto& [id, entry] : by_id_) {
    const ExportOptions& options = entry.used->options();
    facts.push_back({id, options.node_name, options.name, options.description, options.writable,
                     entry.used->shutting_down(), entry.connections});
  }
  return facts;
}

std::optional<std::string> ExportRegistry::default_name() const {
  std::lock_guard lock(mutex_);
  if (by_id_.empty()) return std::nullopt;
  auto unnamed = std::find_if(by_id_.begin(), by_id_.end(), [](const auto& item) {
    return item.second.used->options().name.empty();
  });
  if (unnamed == by_id_.end()) unnamed = by_id_.begin();
  return unnamed->second.used->options().name;
}

block::Result<std::unique_ptr<ExportRegistry::Connection>>
ExportRegistry::connect(const std::string& name) {
  std::lock_guard lock(mutex_);
  for (auto& [id, entry] : by_id_)
    if (entry.used->options().name == name && !entry.used->shutting_down()) {
      ++entry.connections;
      return std::make_unique<Connection>(*this, entry.used);
    }
  return block::Error(block::ErrorKind::not_found, "there is no export '" + name + "'");
}

ExportRegistry::Connection::~Connection() {
  std::lock_guard lock(registry_.mutex_);
  auto found = registry_.by_id_.find(export_->options().id);
  // After a hard removal the id may be gone, or may belong to another export by now.
  if (found != registry_.by_id_.end() && found->second.used == export_) --found->second.connections;
}

} // namespace exports
