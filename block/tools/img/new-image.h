// The image that a command makes, and the removal of its file if the command does not come to its
// end.
#ifndef BLOCK_TOOLS_IMG_NEW_IMAGE_H
#define BLOCK_TOOLS_IMG_NEW_IMAGE_H

#include "block/graph.h"

#include <string>

namespace tools::img {

// One at a time in a process. A file that was there before, and a device, always stays.
class NewImage {
public:
  // Makes an empty image, as block::create_image() does. From the moment its file exists until
  // keep(), a signal that ends the program removes the file first. Errors: those of create_image();
  // the file is gone then.
  static block::Result<NewImage> make(const std::string& format, const std::string& filename,
                                      block::Options options);
  // Going without keep() removes the file.
  // What the image was made for has succeeded.
  void keep();

private:
  explicit NewImage(block::ImageCreation creation) : creation_(std::move(creation)) {}

  block::ImageCreation creation_;
};

} // namespace tools::img

#endif
