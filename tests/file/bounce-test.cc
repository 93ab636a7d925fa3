// BounceBuffer: buffers in use never share memory, and memory that nobody uses is given back.
#include "block/file/bounce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

namespace block {
namespace {

struct Marked {
  BounceBuffer buffer;
  std::byte mark;

  Marked(std::uint64_t bytes, std::byte with) : buffer(bytes), mark(with) {
    std::ranges::fill(buffer.span(), mark);
  }
  bool untouched() {
    return std::ranges::all_of(buffer.span(), [&](std::byte byte) { return byte == mark; });
  }
};

std::uint64_t resident_bytes() {
  std::uint64_t virtual_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

TEST(Bounce, AreOfTheRequestsSizeUpToTheMost) {
  for (std::uint64_t bytes : {1u, 512u, 4096u, 32768u, 32769u, 65536u, 1u << 20, 3u << 20}) {
    BounceBuffer buffer(bytes);
    EXPECT_EQ(buffer.size(), std::min<std::uint64_t>(bytes, BounceBuffer::most_bytes));
    EXPECT_EQ(buffer.span().size(), buffer.size());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 4096, 0u) << bytes;
  }
}

TEST(Bounce, InUseShareNoMemory) {
  const auto come_and_go = [](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<Marked>> in_use;
    for (unsigned turn = 0; turn < 400; ++turn) {
      const std::uint64_t most = std::uint64_t{1} << (9 + random() % 12);
      in_use.push_back(
          std::make_unique<Marked>(1 + random() % most, static_cast<std::byte>(random())));
      if (in_use.size() < 24) continue;
      std::swap(in_use[random() % in_use.size()], in_use.back());
      EXPECT_TRUE(in_use.back()->untouched());
      in_use.pop_back();
    }
    for (const auto& marked : in_use)
      EXPECT_TRUE(marked->untouched());
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed)
    threads.emplace_back(come_and_go, seed);
  for (std::thread& thread : threads)
    thread.join();
}

TEST(Bounce, GiveBackMoreThanAFewConnectionsNeed) {
  constexpr std::uint64_t mebibyte = 1 << 20;
  const std::uint64_t before = resident_bytes();
  {
    std::vector<std::unique_ptr<Marked>> in_use;
    for (unsigned i = 0; i < 128; ++i)
      in_use.push_back(std::make_unique<Marked>(mebibyte, std::byte{1}));
    EXPECT_GT(resident_bytes(), before + 100 * mebibyte);
  }
  EXPECT_LT(resident_bytes(), before + 24 * mebibyte);
}

} // namespace
} // namespace block
