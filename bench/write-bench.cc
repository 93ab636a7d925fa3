// Times requests to images that are open at once, in one process, as commands on stdin ask: so that
// a caller can measure two images, or two numbers of threads, by turns.
//
// usage: write-bench NODE-OPTIONS...
//
// Every argument opens an image: "driver=qcow2,file.filename=...". A line of stdin is
//
//   write IMAGE OFFSET BYTES REQUEST-BYTES ORDER THREADS
//
// with IMAGE counted from 0 and ORDER "sequential" or "random". The answer is a line with the
// seconds that the writes took and those that the flush after them took. Every 4 KiB written
// differ from all that was ever written. One thread, with requests of 4 KiB at random, serves
//
//   read IMAGE SPAN COUNT SEED
//   overwrite IMAGE SPAN COUNT SEED
//   duplicate IMAGE OFFSET KNOWN COUNT SEED
//
// The first two take places below SPAN; overwrite takes odd ones and writes unique data. The third
// writes from OFFSET on, one behind the other, and what it writes is drawn from the KNOWN contents
// of numbered_content() in large_image.py. Answers are as above. "facts IMAGE" answers with the
// entries of the index, its memory, that of the dedup block cache and the clusters that were
// duplicates, and "resident" with that of the process, in bytes.
#include "block/graph.h"
#include "block/util/aligned-buffer.h"
#include "block/util/huge-memory.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <numeric>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t stamp_distance = 4096; // bytes: no cluster is smaller here

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "write-bench: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T expect(block::Result<T> result) {
  if (!result) fail(result.error().message());
  return std::move(result).value();
}

void expect(const block::Result<void>& result) {
  if (!result) fail(result.error().message());
}

struct Load {
  std::uint64_t offset = 0, bytes = 0, request_bytes = 0;
  std::string order;
  unsigned threads = 0;
};

// Random bytes, of which eight in each 4 KiB are changed for every request.
class UniqueData {
public:
  explicit UniqueData(std::size_t bytes) : memory_(bytes), data_(memory_.span().first(bytes)) {
    std::random_device seed;
    std::mt19937_64 random((std::uint64_t{seed()} << 32) | seed());
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes; at += sizeof(std::uint64_t))
      put(at, random());
    stamp_ = random();
  }
  block::IoVector next() {
    for (std::size_t at = 0; at + sizeof stamp_ <= data_.size(); at += stamp_distance)
      put(at, stamp_++);
    return {data_.data(), data_.size()};
  }

private:
  void put(std::size_t at, std::uint64_t number) {
    std::memcpy(data_.data() + at, &number, sizeof number);
  }

  block::HugeMemory memory_;
  const std::span<std::byte> data_;
  std::uint64_t stamp_ = 0;
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void write(block::Node& node, const Load& load) {
  std::vector<std::uint64_t> requests(load.bytes / load.request_bytes);
  std::iota(requests.begin(), requests.end(), 0);
  if (load.order == "random") std::ranges::shuffle(requests, std::mt19937_64(1));
  std::atomic<std::size_t> next{0};
  std::atomic<unsigned> ready{0};
  std::atomic<bool> go{false};
  const auto work = [&] {
    UniqueData data(load.request_bytes);
    ++ready;
    go.wait(false);
    for (std::size_t i; (i = next++) < requests.size();)
      expect(node.co_writev(load.offset + requests[i] * load.request_bytes, data.next()));
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < load.threads; ++i)
    threads.emplace_back(work);
  while (ready < load.threads)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto start = Clock::now();
  go = true;
  go.notify_all();
  for (std::thread& thread : threads)
    thread.join();
  const double writes = seconds_since(start);
  const auto flush_start = Clock::now();
  expect(node.co_flush());
  std::printf("%.6f %.6f\n", writes, seconds_since(flush_start));
}

// The numbers below `count` that a seed gives.
class Draw {
public:
  Draw(std::uint64_t count, std::uint64_t seed) : random_(seed), numbers_(0, count - 1) {}
  std::uint64_t next() { return numbers_(random_); }

private:
  std::mt19937_64 random_;
  std::uniform_int_distribution<std::uint64_t> numbers_;
};

constexpr std::size_t random_bytes = 4096; // of each request of the loads below

template <typename Request>
void repeat(block::Node& node, std::uint64_t count, Request request) {
  const auto start = Clock::now();
  for (std::uint64_t done = 0; done < count; ++done)
    expect(request(done));
  const double requests = seconds_since(start);
  const auto flush_start = Clock::now();
  expect(node.co_flush());
  std::printf("%.6f %.6f\n", requests, seconds_since(flush_start));
}

void read_at_random(block::Node& node, std::uint64_t span, std::uint64_t count,
                    std::uint64_t seed) {
  Draw places(span / random_bytes, seed);
  block::AlignedBuffer memory(random_bytes);
  const block::IoVector data(memory.data(), memory.size());
  repeat(node, count,
         [&](std::uint64_t) { return node.co_readv(places.next() * random_bytes, data); });
}

void overwrite_at_random(block::Node& node, std::uint64_t span, std::uint64_t count,
                         std::uint64_t seed) {
  Draw places(span / random_bytes, seed);
  UniqueData data(random_bytes);
  // Odd places, so that known contents, at even ones, stay for duplicates.
  repeat(node, count, [&](std::uint64_t) {
    return node.co_writev((places.next() | 1) * random_bytes, data.next());
  });
}

void write_duplicates(block::Node& node, std::uint64_t offset, std::uint64_t known,
                      std::uint64_t count, std::uint64_t seed) {
  Draw numbers(known, seed);
  block::AlignedBuffer memory(random_bytes);
  std::memset(memory.data(), 0, memory.size());
  const block::IoVector data(memory.data(), memory.size());
  repeat(node, count, [&](std::uint64_t done) {
    const std::uint64_t number = numbers.next() + 1;
    std::memcpy(memory.data(), &number, sizeof number); // this machine is little-endian
    return node.co_writev(offset + done * random_bytes, data);
  });
}

// False if the words are none of these commands.
bool run_random_load(block::Node& node, const std::string& verb, std::istringstream& words) {
  std::uint64_t first = 0, known = 0, count = 0, seed = 0;
  if (verb == "duplicate") {
    if (!(words >> first >> known >> count >> seed) || known == 0) return false;
    write_duplicates(node, first, known, count, seed);
    return true;
  }
  if (!(words >> first >> count >> seed) || first < 2 * random_bytes) return false;
  if (verb == "read")
    read_at_random(node, first, count, seed);
  else if (verb == "overwrite")
    overwrite_at_random(node, first, count, seed);
  else
    return false;
  return true;
}

void print_facts(block::Node& node) {
  const block::DedupInfo info = expect(node.query_dedup());
  std::printf("%llu %llu %llu %llu\n", static_cast<unsigned long long>(info.index_entries),
              static_cast<unsigned long long>(info.index_bytes),
              static_cast<unsigned long long>(info.cache_bytes),
              static_cast<unsigned long long>(info.deduplicated_clusters));
}

void print_resident() {
  unsigned long size = 0, resident = 0;
  std::FILE* statm = std::fopen("/proc/self/statm", "r");
  if (!statm || std::fscanf(statm, "%lu %lu", &size, &resident) != 2) fail("no /proc/self/statm");
  std::fclose(statm);
  std::printf("%lu\n", resident * static_cast<unsigned long>(sysconf(_SC_PAGESIZE)));
}

// Until the index of an image that has one is loaded.
void wait_for_index(block::Node& node) {
  for (;;) {
    const auto info = node.query_dedup();
    if (!info || info->status != block::DedupStatus::starting) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) fail("usage: write-bench NODE-OPTIONS...");
  block::Graph graph;
  std::vector<block::Node::Attachment> images;
  for (int i = 1; i < argc; ++i) {
    std::shared_ptr<block::Node> node =
        expect(graph.open(expect(block::Options::parse(argv[i])), {}));
    wait_for_index(*node);
    images.push_back(expect(block::Node::attach(node, "write-bench", {.write = true})));
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    std::size_t image = 0;
    Load load;
    words >> verb;
    if (verb == "resident") {
      print_resident();
    } else if (!(words >> image) || image >= images.size()) {
      fail("no such image: " + line);
    } else if (verb == "facts") {
      print_facts(*images[image].node());
    } else if (verb == "write" &&
               words >> load.offset >> load.bytes >> load.request_bytes >> load.order >>
                   load.threads &&
               load.request_bytes > 0 && load.threads > 0) {
      write(*images[image].node(), load);
    } else if (!run_random_load(*images[image].node(), verb, words)) {
      fail("not a command: " + line);
    }
    std::fflush(stdout);
  }
  images.clear();
  expect(graph.close_all());
}
