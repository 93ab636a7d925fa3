// Export: one node offered to guests under a name.
#ifndef BLOCK_EXPORT_EXPORT_H
#define BLOCK_EXPORT_EXPORT_H

#include "block/node.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace exports {

struct ExportOptions {
  std::string id;          // unique among exports; a name for the monitor
  std::string node_name;   // the node that is offered
  std::string name;        // unique among exports; the name that guests request, at most 4096 bytes
  std::string description; // for clients that list exports; may be empty
  bool writable = false;
  bool writethrough = false; // a write is answered only when it is durable
};

// Created and removed by ExportRegistry. Requests come from the threads of an NBD server, several
// at a time. The monitor removes an export without waiting for its requests.
//
// An export accepts requests until shut_down(). From then on begin() fails. When the last request
// in flight has ended, the node is released and `on_end` is called on the thread of that request.
// An export without requests ends within shut_down().
class Export {
public:
  Export(ExportOptions options, block::Node::Attachment attachment,
         std::function<void(Export&)> on_end);
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;

  const ExportOptions& options() const { return options_; }
  bool shutting_down() const { return shutting_down_; }
  // Makes begin() fail from now on; shut_down() must still be called.
  void refuse() { shutting_down_ = true; }
  void shut_down();

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
  void end();

  const ExportOptions options_;
  const std::function<void(Export&)> on_end_;
  std::optional<block::Node::Attachment> attachment_; // emptied once, by the last end()
  std::atomic<bool> shutting_down_{false};
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> in_flight_{0};
};

} // namespace exports

#endif
