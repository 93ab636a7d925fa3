// ExportRegistry: the exports of one program, by id.
#ifndef BLOCK_EXPORT_REGISTRY_H
#define BLOCK_EXPORT_REGISTRY_H

#include "block/export/export-type.h"
#include "block/graph.h"

#include <condition_variable>
#include <map>

namespace exports {

// All functions may be called on any thread.
class ExportRegistry {
public:
  // `on_deleted` receives the id of each removed export once its node is free again. It is called
  // on any thread and must return at once.
  ExportRegistry(block::Graph& graph, const std::vector<MakeExportType>& types,
                 std::function<void(const std::string& id)> on_deleted);
  ~ExportRegistry();
  ExportRegistry(const ExportRegistry&) = delete;
  ExportRegistry& operator=(const ExportRegistry&) = delete;

  // Adds an export. Options: type, those of ExportOptions (id, node-name, writable, writethrough),
  // and those of the type. Errors: invalid_argument (an option), exists (id), not_found (node),
  // permission or busy (the node cannot be attached that way), those of the type.
  block::Result<void> add(block::Options options);
  // Removes an export without waiting for requests in flight. Errors: not_found, those of
  // Export::shut_down().
  block::Result<void> remove(const std::string& id, RemoveMode mode);
  // Removes all exports. Waits until every request in flight has ended and every on_deleted call
  // has returned.
  void remove_all();

  std::vector<std::shared_ptr<Export>> list() const; // ordered by id
  // Returns the type of that name, or null.
  ExportType* find_type(std::string_view name) const;

private:
  block::Result<void> check_id(const std::string& id) const;
  void forget(const Export& ended);

  // Constant after construction.
  block::Graph& graph_;
  const std::function<void(const std::string&)> on_deleted_;
  std::vector<std::unique_ptr<ExportType>> types_; // before the exports, which refer to them

  // Held while an export is made, which may wait: the other functions take only mutex_.
  std::mutex add_mutex_;

  mutable std::mutex mutex_;
  std::condition_variable ended_; // an export was removed; used with mutex_
  // Guarded by mutex_.
  std::map<std::string, std::shared_ptr<Export>> by_id_;
  unsigned telling_ = 0; // threads within on_deleted_
};

} // namespace exports

#endif
