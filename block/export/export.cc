// Export: counts requests, so that the node is released after the last one.
#include "block/export/export.h"

#include <cerrno>

namespace exports {

Export::Export(ExportOptions options, block::Node::Attachment attachment,
               std::function<void(Export&)> on_end)
    : options_(std::move(options)),
      on_end_(std::move(on_end)),
      attachment_(std::move(attachment)) {}

block::Result<Export::Request> Export::begin() {
  // begin() counts the request before it reads the flag, and shut_down() sets the flag before it
  // reads the count. So at least one of them reads the value that the other has
  // written.
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
  ++in_flight_; // an idle export ends below in the same way as a busy one
  refuse();
  end();
}

} // namespace exports
