// Export: one node that is offered to guests, whatever the type of the export.
#ifndef BLOCK_EXPORT_EXPORT_H
#define BLOCK_EXPORT_EXPORT_H

#include "block/node.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace exports {

// The options that an export of any type has.
struct ExportOptions {
  std::string id;        // unique among exports; a name for the monitor
  std::string node_name; // the node that is offered
  bool writable = false;
  bool writethrough = false; // a write is answered only when it is durable
};

enum class RemoveMode {
  safe, // refused while clients are connected
  hard, // requests of connected clients fail from now on
};

class ExportType;

// Created and removed by ExportRegistry. Each type of export derives a class from it. Requests and
// clients come from the threads of the type, several at a time. The monitor removes an export
// without waiting for its requests.
//
// An export accepts requests until shut_down(). From then on begin() fails. When the last request
// in flight has ended, the node is released and `on_end` is called on the thread of that request.
// An export without requests ends within shut_down().
class Export {
public:
  // What the registry hands to the type, which hands it on to this constructor.
  struct Setup {
    const ExportType& type;
    ExportOptions options;
    block::Node::Attachment attachment;
    std::function<void(Export&)> on_end;
  };
  explicit Export(Setup setup);
  virtual ~Export() = default;
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;

  const ExportType& type() const { return type_; }
  const ExportOptions& options() const { return options_; }
  bool shutting_down() const { return shutting_down_; }

  // Errors: busy (safe, and clients are connected; or the export is shutting down already).
  block::Result<void> shut_down(RemoveMode mode);

  // Counts a client that uses the export, until remove_client(). Returns false, and counts nothing,
  // once the export shuts down.
  bool add_client();
  void remove_client();
  std::uint64_t clients() const;

  // A request in flight; the node stays usable until it ends.
  class Request {
  public:
    explicit Request(Export& owner) : owner_(&owner) {}
    Request(Request&& other) noexcept : owner_(other.owner_) { other.owner_ = nullptr; }
    Request& operator=(Request&&) = delete;
    ~Request() {
      if (owner_) owner_->end();
    }
    block::Node& node() const { return *owner_->attachment_->node(); }

  private:
    Export* owner_;
  };
  // Begins a request. Errors: not_found with ESHUTDOWN once the export shuts down.
  block::Result<Request> begin();

private:
  // Called once, within shut_down(), when begin() fails already and the node is still attached. A
  // type that has the means ends its clients here; it must not wait for them.
  virtual void end_clients() {}

  block::Result<void> refuse(RemoveMode mode);
  void end();

  // Constant after construction.
  const ExportType& type_;
  const ExportOptions options_;
  const std::function<void(Export&)> on_end_;

  // Self-synchronising.
  std::optional<block::Node::Attachment> attachment_; // emptied once, by the last end()
  std::atomic<bool> shutting_down_{false};            // set under mutex_
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> in_flight_{0};

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::uint64_t clients_ = 0;
};

} // namespace exports

#endif
