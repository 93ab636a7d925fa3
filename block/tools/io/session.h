// The session of dedup-io: one open image, and the requests in flight.
#ifndef BLOCK_TOOLS_IO_SESSION_H
#define BLOCK_TOOLS_IO_SESSION_H

#include "block/tools/common/image.h"
#include "block/tools/io/aio-queue.h"

#include <memory>
#include <string>

namespace tools::io {

struct OpenRequest {
  ImageName name;         // the name may be empty if the options name the image
  block::Options options; // options of open -o, in addition to the name
  bool read_only = false;
  bool force_share = false;
  bool snapshot = false;     // write to a temporary overlay
  bool copy_on_read = false; // data that is read from a backing file is stored in the image
  CacheMode cache;
};

class Session {
public:
  Session() = default;
  ~Session() { close(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool is_open() const { return static_cast<bool>(image_); }
  // Requires an open image.
  block::Node& node() const { return image_.node(); }
  bool copies_on_read() const { return copy_on_read_; }
  const CacheMode& cache() const { return cache_; }
  AioQueue& aio() { return aio_; }

  block::Result<void> open(OpenRequest request);
  // Waits for the requests in flight and closes the image. If written data may not be durable,
  // prints a message on stderr and returns false.
  bool close();

  void quit() { quitting_ = true; }
  bool quitting() const { return quitting_; }

private:
  block::Result<Image> open_overlay(const OpenRequest& request, block::Options options);

  std::unique_ptr<block::Graph> graph_;
  Image base_; // the image below a temporary overlay
  Image image_;
  AioQueue aio_;
  CacheMode cache_;
  bool copy_on_read_ = false;
  bool quitting_ = false;
};

} // namespace tools::io

#endif
