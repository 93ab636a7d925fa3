// ExportRegistry: adds, finds and removes exports.
#include "block/export/registry.h"

#include <algorithm>

namespace exports {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

Result<ExportOptions> take_options(block::Options& options) {
  ExportOptions common;
  common.id = options.take("id").value_or("");
  common.node_name = options.take("node-name").value_or("");
  BLOCK_TRY_ASSIGN(common.writable, options.take_bool("writable", false));
  BLOCK_TRY_ASSIGN(common.writethrough, options.take_bool("writethrough", false));
  return common;
}

} // namespace

ExportRegistry::ExportRegistry(block::Graph& graph, const std::vector<MakeExportType>& types,
                               std::function<void(const std::string& id)> on_deleted)
    : graph_(graph), on_deleted_(std::move(on_deleted)) {
  for (MakeExportType make : types)
    types_.push_back(make(*this));
}

ExportRegistry::~ExportRegistry() {
  remove_all();
}

ExportType* ExportRegistry::find_type(std::string_view name) const {
  auto found = std::ranges::find(types_, name, [](const auto& each) { return each->name(); });
  return found == types_.end() ? nullptr : found->get();
}

Result<void> ExportRegistry::check_id(const std::string& id) const {
  if (id.empty()) return Error(ErrorKind::invalid_argument, "Parameter 'id' is missing");
  std::lock_guard lock(mutex_);
  if (by_id_.count(id) != 0)
    return Error(ErrorKind::exists, "Block export id '" + id + "' is already in use");
  return {};
}

Result<void> ExportRegistry::add(block::Options options) {
  const std::string type_name = options.take("type").value_or("");
  ExportType* const type = find_type(type_name);
  if (!type)
    return Error(ErrorKind::invalid_argument,
                 "Parameter 'type' does not accept value '" + type_name + "'");
  BLOCK_TRY_ASSIGN(ExportOptions common, take_options(options));
  std::shared_ptr<block::Node> node = graph_.find(common.node_name);
  if (!node) return Error(ErrorKind::not_found, "Cannot find node '" + common.node_name + "'");

  std::lock_guard adding(add_mutex_);
  const std::string id = common.id;
  BLOCK_TRY(check_id(id));
  BLOCK_TRY_ASSIGN(auto attachment,
                   block::Node::attach(node, "block export '" + id + "'",
                                       {.write = common.writable, .allow_other_writers = true}));
  BLOCK_TRY_ASSIGN(std::shared_ptr<Export> made,
                   type->create({*type, std::move(common), std::move(attachment),
                                 [this](Export& ended) { forget(ended); }},
                                options));
  BLOCK_TRY(options.expect_empty("export '" + id + "'"));
  std::lock_guard lock(mutex_);
  by_id_.emplace(id, std::move(made));
  return {};
}

Result<void> ExportRegistry::remove(const std::string& id, RemoveMode mode) {
  std::shared_ptr<Export> removed;
  {
    std::lock_guard lock(mutex_);
    auto found = by_id_.find(id);
    if (found == by_id_.end())
      return Error(ErrorKind::not_found, "Export '" + id + "' is not found");
    removed = found->second;
  }
  return removed->shut_down(mode); // not under the lock: it may call forget()
}

void ExportRegistry::remove_all() {
  // An export that is shutting down already ends by itself.
  for (const std::shared_ptr<Export>& one : list())
    static_cast<void>(one->shut_down(RemoveMode::hard));
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return by_id_.empty() && telling_ == 0; });
}

void ExportRegistry::forget(const Export& ended) {
  std::unique_lock lock(mutex_);
  // Held until the end of the function: the map may have had the last reference.
  std::shared_ptr<Export> kept = std::move(by_id_.extract(ended.options().id).mapped());
  ++telling_;
  lock.unlock();
  on_deleted_(kept->options().id);
  lock.lock();
  --telling_;
  ended_.notify_all();
}

std::vector<std::shared_ptr<Export>> ExportRegistry::list() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Export>> all;
  for (const auto& [id, one] : by_id_)
    all.push_back(one);
  return all;
}

} // namespace exports
