// ExportRegistry: the exports of one program, by id and by the name that guests request.
#ifndef BLOCK_EXPORT_REGISTRY_H
#define BLOCK_EXPORT_REGISTRY_H

#include "block/export/export.h"
#include "block/graph.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

namespace exports {

enum class RemoveMode {
  safe, // refused while clients are connected
  hard, // requests of connected clients fail from now on
};

struct ExportFacts {
  std::string id;
  std::string node_name;
  std::string name;
  std::string description;
  bool writable = false;
  bool shutting_down = false;
  std::uint64_t connections = 0;
};

// All functions may be called on any thread.
class ExportRegistry {
public:
  // `on_deleted` receives the id of each removed export once its node is free again. It is called
  // on any thread and must return at once.
  ExportRegistry(block::Graph& graph, std::function<void(const std::string& id)> on_deleted)
      : graph_(graph), on_deleted_(std::move(on_deleted)) {}
  ~ExportRegistry();

  // Adds an export. Errors: exists (id or name), not_found (node), permission or busy (the node
  // cannot be attached that way).
  block::Result<void> add(ExportOptions options);
  // Removes an export without waiting for requests in flight. Errors: not_found, busy (safe, and
  // clients are connected; or the export is already shutting down).
  block::Result<void> remove(const std::string& id, RemoveMode mode);
  // Removes all exports. Waits until every request in flight has ended and every on_deleted call
  // has returned.
  void remove_all();

  std::vector<ExportFacts> list() const; // ordered by id
  // Returns the name of the export for a client that requests no name: the export called "",
  // otherwise the first by id.
  std::optional<std::string> default_name() const;

  // One client's use of an export.
  class Connection {
  public:
    Connection(ExportRegistry& registry, std::shared_ptr<Export> used)
        : registry_(registry), export_(std::move(used)) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();
    Export& used() const { return *export_; }

  private:
    ExportRegistry& registry_;
    std::shared_ptr<Export> export_;
  };
  // Connects a client to the export of that name. Errors: not_found.
  block::Result<std::unique_ptr<Connection>> connect(const std::string& name);

private:
  struct Entry {
    std::shared_ptr<Export> used;
    std::uint64_t connections = 0;
  };

  block::Result<void> check_new(const ExportOptions& options) const;
  void forget(const Export& ended);

  block::Graph& graph_;
  const std::function<void(const std::string&)> on_deleted_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;      // an export was removed; used with mutex_
  std::map<std::string, Entry> by_id_; // guarded by mutex_
  unsigned telling_ = 0;               // guarded by mutex_: threads within on_deleted_
};

} // namespace exports

#endif
