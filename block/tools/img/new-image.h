// The image that a command creates. Its file is removed if the command does not succeed.
#ifndef BLOCK_TOOLS_IMG_NEW_IMAGE_H
#define BLOCK_TOOLS_IMG_NEW_IMAGE_H

#include "block/graph.h"

#include <string>

namespace tools::img {

// One object at a time per process. A file that existed before is never removed, and neither is a
// device.
class NewImage {
public:
  // Creates an empty image, as block::create_image() does. From the creation of its file until
  // keep(), a signal that ends the program first removes the file. Errors: those of create_image();
  // the file is then removed.
  static block::Result<NewImage> make(const std::string& format, const std::string& filename,
                                      block::Options options);
  // To be called when the command has succeeded. Without it, the destructor removes the file.
  void keep();

private:
  explicit NewImage(block::ImageCreation creation) : creation_(std::move(creation)) {}

  block::ImageCreation creation_;
};

} // namespace tools::img

#endif
