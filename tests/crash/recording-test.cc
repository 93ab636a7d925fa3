// The recorder judged by itself: what an epoch holds, what its flush covers, and what is sure to be
// on the disk.
#include "tests/crash/power-cut.h"
#include "tests/support/nodes.h"

#include <cctype>
#include <future>
#include <set>
#include <utility>

namespace crash {
namespace {

using block::LoggedRequest;
using block::MemoryChange;
using block::succeeded;

LoggedRequest write_of(char content, std::uint64_t sector, bool fua = false) {
  LoggedRequest request;
  request.change = {MemoryChange::Kind::write, sector * sector_bytes,
                    Bytes(sector_bytes, static_cast<std::byte>(content)), sector_bytes, fua};
  return request;
}

LoggedRequest flush_without(std::uint64_t not_covered) {
  LoggedRequest request;
  request.not_covered = not_covered;
  return request;
}

// One letter for each write, those that have surely reached the disk large; then how many the flush
// covers, and how large the guest's disk was.
std::string text_of(const std::vector<Epoch>& epochs) {
  std::string text;
  for (const Epoch& epoch : epochs) {
    for (const MemoryChange& change : epoch.changes) {
      const char letter = static_cast<char>(change.data.at(0));
      text += change.durable ? static_cast<char>(std::toupper(letter)) : letter;
    }
    text += std::to_string(epoch.flushed) + ":" + std::to_string(epoch.guest.sectors()) + " ";
  }
  return text;
}

std::vector<GuestModel> guests_of(std::size_t count) {
  std::vector<GuestModel> guests;
  for (std::size_t i = 1; i <= count; ++i)
    guests.emplace_back(i);
  return guests;
}

TEST(Epochs, EndWithTheirFlushAndKeepWhatItDoesNotCover) {
  const std::vector<LoggedRequest> log = {
      write_of('a', 0), write_of('b', 1), flush_without(0),
      write_of('c', 2), write_of('d', 3), // while both flushes run
      flush_without(1), write_of('e', 4), // while the second one runs
      flush_without(3),                   // began before d
      write_of('f', 5),
  };
  EXPECT_EQ(text_of(epochs_of(log, guests_of(4))), "ab2:1 cd1:2 de0:3 def3:4 ");
}

TEST(Epochs, EndWithAWriteThatIsDurableByItself) {
  const std::vector<LoggedRequest> log = {
      write_of('a', 0), write_of('b', 1, true), write_of('c', 2),
      flush_without(0), write_of('d', 3),
  };
  EXPECT_EQ(text_of(epochs_of(log, guests_of(3))), "ab0:1 aBc3:2 d1:3 ");
}

TEST(Epochs, HaveWhatIsDurableInEveryImage) {
  const std::vector<Epoch> epochs = epochs_of(
      {write_of('a', 0), write_of('b', 1, true), write_of('c', 1), flush_without(0)}, guests_of(3));
  ASSERT_EQ(epochs.size(), 3u);
  const Bytes start(3 * sector_bytes);
  std::set<std::string> before, after;
  for (std::size_t number : {0u, 1u})
    for (PowerCut cut : power_cuts(epochs[number], 20))
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Bytes image = image_after(start, epochs[number], cut, seed);
        std::string text;
        for (std::size_t sector = 0; sector < 2; ++sector) {
          const char content = static_cast<char>(image[sector * sector_bytes]);
          text += content == 0 ? '-' : content;
        }
        (number == 0 ? before : after).insert(text);
      }
  EXPECT_EQ(before, (std::set<std::string>{"--", "a-", "-b", "ab"}));
  EXPECT_EQ(after, (std::set<std::string>{"-b", "ab", "-c", "ac"}));
}

TEST(Recorder, TakesTheModelWhenTheFlushIsLoggedAndEveryChange) {
  auto file = block::MemoryFile::create("recorded", Bytes(8 * sector_bytes));
  GuestModel model(8);
  block::Graph graph;
  auto recorder = std::make_unique<Recorder>(*file, [&] { return model; });
  auto node = block::open(
      graph, Recorder::recorded(
                 {{"driver", "raw"}, {"file.driver", "memory"}, {"file.filename", "recorded"}}));
  ASSERT_TRUE(node);
  std::promise<void> begun, go_on;
  file->set_hook([&](block::MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation != block::MemoryOperation::flush) return;
    begun.set_value();
    go_on.get_future().wait();
  });
  EXPECT_TRUE(succeeded(node->co_pdiscard(0, 1024)));
  auto flush = std::async(std::launch::async, [&] { return node->co_flush(); });
  begun.get_future().wait();
  file->set_hook({});
  EXPECT_TRUE(succeeded(node->co_truncate(16 * sector_bytes)));
  model.will_grow(16);
  go_on.set_value();
  EXPECT_TRUE(succeeded(flush.get()));
  EXPECT_TRUE(succeeded(block::write(*node, 512, block::pattern(512))));
  model.will_grow(17);

  Result<Recording> recording = recorder->finish();
  ASSERT_TRUE(succeeded(recording));
  EXPECT_EQ(recording->start, Bytes(8 * sector_bytes));
  ASSERT_EQ(recording->epochs.size(), 2u);
  EXPECT_EQ(recording->epochs[0].changes.size(), 2u);
  EXPECT_EQ(recording->epochs[0].flushed, 1u);
  EXPECT_EQ(recording->epochs[0].guest.sectors(), 16u);
  EXPECT_EQ(recording->epochs[1].guest.sectors(), 17u);
  Bytes replayed = recording->start;
  for (const Epoch& epoch : recording->epochs)
    apply_flush(replayed, epoch);
  EXPECT_EQ(replayed, file->content());
}

TEST(Recorder, EndsWhileTheImageIsStillFlushed) {
  auto file = block::MemoryFile::create("recorded", Bytes(8 * sector_bytes));
  block::Graph graph;
  std::shared_ptr<block::Node> node;
  auto write_and_flush = [&] {
    EXPECT_TRUE(succeeded(block::write(*node, 0, block::pattern(512))));
    EXPECT_TRUE(succeeded(node->co_flush()));
  };
  bool ends = false;
  Recorder recorder(*file, [&] {
    // As the driver's own threads may at any moment.
    if (std::exchange(ends, false)) write_and_flush();
    return GuestModel(8);
  });
  ASSERT_TRUE(node = block::open(graph, Recorder::recorded({{"driver", "raw"},
                                                            {"file.driver", "memory"},
                                                            {"file.filename", "recorded"}})));
  write_and_flush();
  ends = true;
  Result<Recording> recording = recorder.finish();
  ASSERT_TRUE(succeeded(recording));
  EXPECT_EQ(recording->epochs.size(), 2u);
}

} // namespace
} // namespace crash
