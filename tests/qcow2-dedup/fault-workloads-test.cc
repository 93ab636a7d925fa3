// Every operation on the file fails once, in everything that is not a plain request: scan, pause,
// amend, resize, check, open, close, copy on write. After each fault the caller has heard of it, or
// it cannot matter; the image is consistent, its content is right, and the next request works.
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/qcow2-disk.h"

#include <iostream>
#include <map>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::DedupScanState;
using block::DiskShape;
using block::Error;
using block::ErrorKind;
using block::Graph;
using block::MemoryFile;
using block::MemoryOperation;
using block::Options;
using block::Qcow2Disk;
using block::Result;

constexpr std::uint64_t clusters = 1000;

// Small tables and caches, so that the work reads and writes metadata all the time.
DiskShape small(bool dedup, unsigned cluster_bits = 9) {
  DiskShape shape;
  shape.cluster_bits = cluster_bits;
  shape.refcount_bits = 64;
  shape.guest_clusters = clusters;
  shape.dedup = dedup;
  shape.open = {{"l2-cache-size", "4k"}, {"refcount-cache-size", "4k"}};
  return shape;
}

// What a guest did, and what the disk must therefore hold: of what failed, nothing is known.
class Guest {
public:
  explicit Guest(Qcow2Disk& disk) : disk_(disk) {}

  void knows(std::uint64_t guest, const std::string& data) {
    for (std::uint64_t i = 0; i < data.size() / bytes(); ++i)
      known_[guest + i] = data.substr(i * bytes(), bytes());
  }
  Result<void> write(std::uint64_t guest, const std::string& data) {
    return write_at(guest * bytes(), data);
  }
  Result<void> write_at(std::uint64_t offset, const std::string& data) {
    Result<void> done = block::write(disk_.node(), offset, data);
    for (std::uint64_t at = offset; at < offset + data.size();) {
      const std::uint64_t guest = at / bytes(), within = at % bytes();
      const std::uint64_t part = std::min(bytes() - within, offset + data.size() - at);
      auto known = known_.find(guest);
      if (done && part == bytes())
        known_[guest] = data.substr(at - offset, part);
      else if (done && known != known_.end())
        known->second.replace(within, part, data, at - offset, part);
      else
        known_.erase(guest);
      at += part;
    }
    return done;
  }
  void expect_content() const {
    for (const auto& [guest, content] : known_)
      ASSERT_TRUE(disk_.holds(guest, content));
  }

private:
  std::uint64_t bytes() const { return disk_.cluster_bytes(); }

  Qcow2Disk& disk_;
  std::map<std::uint64_t, std::string> known_;
};

// The first error among results, in their order.
Result<void> first_error(std::initializer_list<Result<void>> results) {
  for (const Result<void>& result : results)
    if (!result) return result.error();
  return {};
}

Result<void> scanned(Qcow2Disk& disk) {
  for (int tries = 0; tries < 30000; ++tries) {
    block::DedupInfo info = disk.counters();
    if (!info.scan.error.empty()) return Error(ErrorKind::io, info.scan.error);
    if (info.scan.state == DedupScanState::idle) return {};
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return Error(ErrorKind::io, "the scan has not ended after a while");
}

class FaultIn : public testing::TestWithParam<MemoryOperation> {
protected:
  static std::uint64_t tried;
  static void TearDownTestSuite() { std::cout << "faults tried: " << tried << std::endl; }

  MemoryOperation operation() const { return GetParam(); }
  // A lost write or barrier must be heard, unless the write was made again before the next barrier;
  // a read may have been of something that can be done without.
  bool must_be_heard() const { return operation() != MemoryOperation::read; }

  // An image with content of many kinds, and the same in the guest's memory.
  static std::string piece(const Qcow2Disk& disk, unsigned first, unsigned count) {
    std::string data;
    for (unsigned i = 0; i < count; ++i)
      data += disk.pattern(first + i);
    return data;
  }
  static void fill(Qcow2Disk& disk, Guest& guest) {
    guest.knows(0, piece(disk, 1, 60) + piece(disk, 30, 60) + disk.zeros());
    guest.knows(400, piece(disk, 500, 40) + piece(disk, 1, 5));
  }
  static std::vector<std::byte> image(bool dedup, bool paused = false) {
    return image(small(dedup), paused);
  }
  static std::vector<std::byte> image(const DiskShape& shape, bool paused = false) {
    Qcow2Disk disk(shape);
    if (paused) {
      EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
    }
    disk.write(0, piece(disk, 1, 60) + piece(disk, 30, 60));
    disk.write(400, piece(disk, 500, 40) + piece(disk, 1, 5));
    EXPECT_TRUE(succeeded(disk.close()));
    return disk.file->content();
  }

  // One run for each operation of `work` that can fail, and one in which none does. `prepare`
  // opens the disk, if work does not do that itself; `judge` looks at what is left, with the fault
  // gone.
  template <typename Prepare, typename Work, typename Judge>
  void for_each_fault(const DiskShape& shape, const std::vector<std::byte>& content,
                      Prepare prepare, Work work, Judge judge, std::uint64_t fewest = 1) {
    std::uint64_t reached_count = 0;
    bool reached = true;
    for (std::uint64_t nth = 1; reached && !HasFailure(); ++nth) {
      SCOPED_TRACE("operation " + std::to_string(nth) + " fails");
      Qcow2Disk disk(shape, content);
      Guest guest(disk);
      fill(disk, guest);
      ASSERT_NO_FATAL_FAILURE(prepare(disk));
      const std::uint64_t before = disk.file->count(operation());
      disk.file->fail(operation(), nth, EIO);
      Result<void> heard = work(disk, guest);
      reached = disk.file->count(operation()) >= before + nth;
      reached_count += reached;
      disk.file->heal();
      if (!reached) {
        EXPECT_TRUE(succeeded(heard));
      }
      if (reached && must_be_heard() && heard.ok()) {
        EXPECT_TRUE(operation() == MemoryOperation::write &&
                    disk.file->failed_writes_were_repeated())
            << "nobody heard of the fault";
      }
      judge(disk, guest, heard);
      ASSERT_LT(nth, 5000u) << "it does not end";
    }
    tried += reached_count;
    EXPECT_GE(reached_count, fewest) << "there were no such operations";
  }

  // The next request works, and the image outlives a close.
  static void expect_good(Qcow2Disk& disk, Guest& guest) {
    guest.expect_content();
    EXPECT_TRUE(succeeded(guest.write(700, piece(disk, 1, 3) + piece(disk, 9000, 3))));
    guest.expect_content();
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_consistent();
    ASSERT_NO_FATAL_FAILURE(disk.open());
    guest.expect_content();
  }
  static void open_and_load(Qcow2Disk& disk) {
    disk.open();
    disk.wait_for_index();
  }
};

std::uint64_t FaultIn::tried = 0;

TEST_P(FaultIn, TheBackgroundScanEndsItAndTheNextScanGoesOn) {
  for_each_fault(
      small(true), image(true, true), open_and_load,
      [](Qcow2Disk& disk, Guest&) {
        return first_error({disk.node().resume_dedup(), scanned(disk), disk.node().co_flush()});
      },
      [](Qcow2Disk& disk, Guest& guest, const Result<void>&) {
        ASSERT_TRUE(succeeded(disk.node().resume_dedup({.scan_all = true, .scan_rate = 0})));
        ASSERT_TRUE(succeeded(scanned(disk)));
        EXPECT_EQ(disk.host_of(60), disk.host_of(29)) << "a duplicate was not found";
        EXPECT_EQ(disk.host_of(440), disk.host_of(0)) << "a duplicate was not found";
        expect_good(disk, guest);
      });
}

TEST_P(FaultIn, PauseAndResumeAroundWritesLosesNothing) {
  for_each_fault(
      small(true), image(true), open_and_load,
      [](Qcow2Disk& disk, Guest& guest) {
        return first_error({disk.node().pause_dedup(), guest.write(500, piece(disk, 1, 30)),
                            disk.node().co_flush(), disk.node().resume_dedup(), scanned(disk),
                            guest.write(540, piece(disk, 20, 30)), disk.node().pause_dedup(),
                            guest.write(505, piece(disk, 800, 3)), disk.node().co_flush(),
                            disk.node().resume_dedup(), scanned(disk), disk.node().co_flush()});
      },
      [](Qcow2Disk& disk, Guest& guest, const Result<void>&) { expect_good(disk, guest); });
}

TEST_P(FaultIn, AmendLeavesTheImageAsItWasOrAsItShallBe) {
  for (bool on : {true, false})
    for_each_fault(
        small(!on, 12), image(small(!on, 12)), [](Qcow2Disk& disk) { disk.open(); },
        [on](Qcow2Disk& disk, Guest&) {
          Options options{{"dedup", on ? "sha256" : "off"}};
          return disk.node().amend(options);
        },
        [on](Qcow2Disk& disk, Guest& guest, const Result<void>&) {
          expect_good(disk, guest);
          Options options{{"dedup", on ? "sha256" : "off"}};
          EXPECT_TRUE(succeeded(disk.node().amend(options)));
          EXPECT_TRUE(succeeded(disk.close()));
          EXPECT_EQ(disk.header().find_extension(extension_magic) != nullptr, on);
          disk.expect_consistent();
          disk.open();
          guest.expect_content();
        });
}

TEST_P(FaultIn, ResizeLeavesTheOldSizeOrTheNew) {
  const std::uint64_t more = 4000 * 512; // the L1 table moves
  for (bool dedup : {true, false})
    for_each_fault(
        small(dedup), image(dedup), [](Qcow2Disk& disk) { disk.open(); },
        [&](Qcow2Disk& disk, Guest&) { return disk.node().co_truncate(more); },
        [&](Qcow2Disk& disk, Guest& guest, const Result<void>& heard) {
          const std::uint64_t length = *disk.node().co_get_length();
          EXPECT_TRUE(length == more || (!heard && length == clusters * 512)) << length;
          expect_good(disk, guest);
          EXPECT_EQ(*disk.node().co_get_length(), length) << "after another open";
          EXPECT_TRUE(succeeded(disk.node().co_truncate(more)));
          EXPECT_TRUE(disk.holds(clusters, block::zeros(more - clusters * 512)));
          EXPECT_TRUE(succeeded(guest.write(3999, disk.pattern(1))));
          guest.expect_content();
        });
}

TEST_P(FaultIn, CloseOfAFullCacheIsHeardAndLeavesWhatWasFlushed) {
  for_each_fault(
      small(true), image(true), open_and_load,
      [](Qcow2Disk& disk, Guest& guest) {
        return first_error({guest.write(500, piece(disk, 1, 30)), disk.close()});
      },
      [](Qcow2Disk& disk, Guest& guest, const Result<void>& heard) {
        (void)disk.close().ok();
        ASSERT_NO_FATAL_FAILURE(disk.open());
        disk.wait_for_index();
        if (heard) return expect_good(disk, guest);
        Guest before(disk); // what was not flushed may be there or not
        fill(disk, before);
        expect_good(disk, before);
      });
}

TEST_P(FaultIn, OpenOfAnImageNotClosedCleanlyFailsOrRepairsAndTheNextRepairs) {
  std::vector<std::byte> unclean;
  {
    Qcow2Disk disk(small(true), image(true));
    open_and_load(disk);
    disk.write(200, piece(disk, 40, 60));
    disk.flush();
    disk.write(300, piece(disk, 2000, 60));
    disk.kill();
    unclean = disk.file->content();
  }
  for_each_fault(
      small(true), unclean, [](Qcow2Disk&) {},
      [](Qcow2Disk& disk, Guest& guest) -> Result<void> {
        guest.knows(200, piece(disk, 40, 60));
        BLOCK_TRY(disk.try_open());
        disk.wait_for_index();
        BLOCK_TRY(scanned(disk)); // after a crash there is something to scan
        return disk.close();
      },
      [](Qcow2Disk& disk, Guest& guest, const Result<void>&) {
        (void)disk.close().ok();
        ASSERT_NO_FATAL_FAILURE(disk.open());
        disk.wait_for_index();
        expect_good(disk, guest);
      });
}

// A refcount that is too high or so low that all are counted anew, and a lost COPIED flag.
std::vector<std::byte> damaged(const std::vector<std::byte>& content, std::uint64_t refcount) {
  Qcow2Disk disk(small(true), content);
  const std::uint64_t host = (disk.l2_entry(405) & qcow2::offset_mask) / 512;
  const std::uint64_t table = disk.header().refcount_table_offset.value();
  disk.set_file64(disk.file64(table + host / 64 * 8) + host % 64 * 8, refcount);
  disk.set_file64(disk.l2_entry_place(410), disk.l2_entry(410) & ~qcow2::copied_flag);
  return disk.file->content();
}

Result<block::CheckReport> repair(Qcow2Disk& disk) {
  Graph::OpenDefaults defaults;
  defaults.for_check = defaults.no_backing = true;
  BLOCK_TRY(disk.try_open({}, defaults));
  block::CheckRequest request;
  request.repair_leaks = request.repair_errors = true;
  return disk.node().check(request);
}

TEST_P(FaultIn, RepairIsHeardAndTheNextRepairIsWhole) {
  for (const std::uint64_t refcount : {0, 5})
    for_each_fault(
        small(true), damaged(image(true), refcount), [](Qcow2Disk&) {},
        [](Qcow2Disk& disk, Guest&) -> Result<void> {
          BLOCK_TRY_ASSIGN(const block::CheckReport report, repair(disk));
          BLOCK_TRY(disk.close());
          if (report.corruptions + report.leaks + report.check_errors > 0)
            return Error(ErrorKind::corrupt, "not all is repaired");
          EXPECT_GE(report.corruptions_fixed + report.leaks_fixed, 2u);
          return {};
        },
        [](Qcow2Disk& disk, Guest& guest, const Result<void>&) {
          (void)disk.close().ok();
          Result<block::CheckReport> report = repair(disk);
          ASSERT_TRUE(succeeded(report));
          EXPECT_EQ(report->corruptions + report->leaks + report->check_errors, 0u);
          EXPECT_TRUE(succeeded(disk.close()));
          disk.expect_consistent();
          ASSERT_NO_FATAL_FAILURE(disk.open());
          expect_good(disk, guest);
        });
}

TEST_P(FaultIn, CreationIsHeardAndTheNextOneIsWhole) {
  for (const char* dedup : {"sha256", "off"}) {
    bool reached = true;
    for (std::uint64_t nth = 1; reached && !HasFailure(); ++nth) {
      SCOPED_TRACE("operation " + std::to_string(nth) + " fails");
      auto file = MemoryFile::create("created");
      auto create = [&] {
        return block::create_image("qcow2", "memory:created",
                                   {{"size", "64k"}, {"cluster_size", "512"}, {"dedup", dedup}});
      };
      file->fail(operation(), nth, EIO);
      Result<void> heard = create();
      reached = file->count(operation()) >= nth;
      tried += reached;
      file->heal();
      EXPECT_EQ(heard.ok(), !reached);
      EXPECT_TRUE(succeeded(create()));
      Graph graph;
      auto node = block::open(
          graph, {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", "created"}});
      ASSERT_TRUE(node);
      EXPECT_TRUE(succeeded(block::write(*node, 1000, "abc")));
      EXPECT_EQ(block::read(*node, 999, 5), block::zeros(1) + "abc" + block::zeros(1));
      ASSERT_LT(nth, 1000u);
    }
  }
}

// Copies what is around a write from the backing file, which fails too.
class FaultOverABackingFile : public FaultIn {
protected:
  std::shared_ptr<MemoryFile> base = MemoryFile::create("base");
  std::string base_content = block::pattern((clusters + 50) * 512, 77);

  FaultOverABackingFile() {
    const auto* bytes = reinterpret_cast<const std::byte*>(base_content.data());
    base->set_content({bytes, bytes + base_content.size()});
  }
  static DiskShape over_base(bool dedup) {
    DiskShape shape = small(dedup);
    shape.open.set("backing.driver", "raw");
    shape.open.set("backing.file.driver", "memory");
    shape.open.set("backing.file.filename", "base");
    return shape;
  }
};

TEST_P(FaultOverABackingFile, CopyOnWriteNeverMixesWithWhatItCouldNotRead) {
  for (bool dedup : {true, false})
    for (bool in_base : {false, true}) {
      if (in_base && operation() != MemoryOperation::read) continue;
      bool reached = true;
      for (std::uint64_t nth = 1; reached && !HasFailure(); ++nth) {
        SCOPED_TRACE(testing::Message() << "operation " << nth << " fails, in base: " << in_base);
        Qcow2Disk disk(over_base(dedup));
        Guest guest(disk);
        guest.knows(0, base_content.substr(0, clusters * 512));
        MemoryFile& file = in_base ? *base : *disk.file;
        const std::uint64_t before = file.count(operation());
        file.fail(operation(), nth, EIO);
        Result<void> heard =
            first_error({guest.write_at(100 * 512 + 17, "abc"),
                         guest.write_at(200 * 512 + 500, "over the edge"),
                         guest.write_at(300 * 512 + 1, disk.pattern(5) + disk.pattern(6)),
                         disk.node().co_flush(), guest.write_at(100 * 512 + 30, "again"),
                         disk.node().co_pwrite_zeroes(40 * 512, 512), disk.node().co_flush()});
        reached = file.count(operation()) >= before + nth;
        tried += reached;
        file.heal();
        if (!reached) {
          EXPECT_TRUE(succeeded(heard));
        }
        if (reached && (in_base || must_be_heard())) {
          EXPECT_FALSE(heard.ok());
        }
        EXPECT_TRUE(succeeded(disk.node().co_pwrite_zeroes(40 * 512, 512)));
        guest.knows(40, disk.zeros());
        expect_good(disk, guest);
        ASSERT_LT(nth, 1000u);
      }
    }
}

TEST_P(FaultOverABackingFile, GrowingShowsNothingOfALongerBackingFile) {
  const std::uint64_t more = (clusters + 100) * 512;
  for (bool dedup : {true, false}) {
    std::vector<std::byte> content;
    {
      Qcow2Disk disk(over_base(dedup));
      EXPECT_TRUE(succeeded(disk.close()));
      content = disk.file->content();
    }
    bool reached = true;
    for (std::uint64_t nth = 1; reached && !HasFailure(); ++nth) {
      SCOPED_TRACE("operation " + std::to_string(nth) + " fails");
      Qcow2Disk disk(over_base(dedup), content);
      disk.open();
      const std::uint64_t before = disk.file->count(operation());
      disk.file->fail(operation(), nth, EIO);
      Result<void> heard = first_error({disk.node().co_truncate(more), disk.node().co_flush()});
      reached = disk.file->count(operation()) >= before + nth;
      tried += reached;
      disk.file->heal();
      if (reached && must_be_heard()) {
        EXPECT_FALSE(heard.ok());
      }
      const bool power_cut = nth % 2 == 0;
      if (power_cut) {
        disk.cut_power();
        ASSERT_NO_FATAL_FAILURE(disk.open());
      }
      for (bool again : {false, true}) {
        if (again) {
          EXPECT_TRUE(succeeded(disk.close()));
          ASSERT_NO_FATAL_FAILURE(disk.open());
        }
        const std::uint64_t length = *disk.node().co_get_length();
        EXPECT_TRUE(length == more || (!heard && length == clusters * 512)) << length;
        EXPECT_TRUE(disk.holds(0, base_content.substr(0, clusters * 512)));
        if (length == more) {
          EXPECT_TRUE(disk.holds(clusters, block::zeros(100 * 512)));
        }
      }
      EXPECT_TRUE(succeeded(disk.node().co_truncate(more)));
      EXPECT_TRUE(disk.holds(clusters, block::zeros(100 * 512)));
      EXPECT_TRUE(succeeded(disk.close()));
      disk.expect_consistent();
      ASSERT_LT(nth, 1000u);
    }
  }
}

std::string name_of(const testing::TestParamInfo<MemoryOperation>& info) {
  static const char* const operations[] = {"Read", "Write", "Flush"};
  return operations[static_cast<int>(info.param)];
}

const auto kinds =
    testing::Values(MemoryOperation::read, MemoryOperation::write, MemoryOperation::flush);
INSTANTIATE_TEST_SUITE_P(Qcow2, FaultIn, kinds, name_of);
INSTANTIATE_TEST_SUITE_P(Qcow2, FaultOverABackingFile, kinds, name_of);

} // namespace
} // namespace qcow2_dedup
