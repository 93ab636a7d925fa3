// Export: counting requests, so that the node is released after the last one.
#include "block/export/export.h"

#include <cerrno>

namespace exports {

Export::Export(ExportOptions options, block::Node::Attachment attachment,
               std::function<void(Export&)> on_end)
    : options_(std::move(options)),
      on_end_(std::move(on_end)),
      attachment_(std::move(attachment)) {}

block::Result<Export::Request> Export::begin() {
  // Counted before the flag is read: shut_down() sets the flag before it looks at the count, so one
  // of the two sees the other.
  ++in_flight_;
  Request request(*this);
  if (shutting_down_)
    return block::Error(block::ErrorKind::not_found, ESHUTDOWN,
                        "export '" + options_.id + "' is shutting down");
  return request;
}

void Export::end() {
  if (--in_flight_ > 0 || !shutting_down_ || ended_.exchange(true)) return;
  attachment_.reset();
  on_end_(*this);
}

void Export::shut_down() {
  ++in_flight_; // an idle export ends below, by the same path as a busy one
  refuse();
  end();
}

} // namespace exports
