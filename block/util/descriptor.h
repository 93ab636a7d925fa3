// An open file descriptor that is closed by its owner's destructor.
#ifndef BLOCK_UTIL_DESCRIPTOR_H
#define BLOCK_UTIL_DESCRIPTOR_H

#include <unistd.h>
#include <utility>

namespace block {

class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

private:
  int number_ = -1;
};

} // namespace block

#endif
