// Protocol driver "memory" for tests: a file in RAM that grows, injects errors, and records the
// changes that a power cut would lose.
//
//   auto memory = MemoryFile::create("disk");
//   auto node = graph.open(
//       {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", "disk"}}, {});
//   memory->fail(MemoryOperation::write, 3, ENOSPC); // the third write from now
//
// Node options: filename (of an existing MemoryFile; create_image on "memory:NAME" empties it),
// align (bytes, request alignment, default 1), max-transfer (bytes). Driver "memory-plain" uses the
// same files, but lacks every optional entry: FUA, zero writes, discard, truncation, reads of the
// medium.
#ifndef TESTS_SUPPORT_MEMORY_FILE_H
#define TESTS_SUPPORT_MEMORY_FILE_H

#include "block/driver.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace block {

// A zero write counts as a write.
enum class MemoryOperation { read, write, flush, discard, truncate };

// A change of the file that was not flushed yet.
struct MemoryChange {
  enum class Kind { write, discard, truncate };
  Kind kind;
  std::uint64_t offset;        // bytes; of a truncation: the new length
  std::vector<std::byte> data; // of a write
  std::uint64_t bytes;         // of a write or discard
  bool durable = false;        // a write with FUA
};

// Applies the change to a file's content.
void apply_change(std::vector<std::byte>& content, const MemoryChange& change);

// Any thread.
class MemoryFile {
public:
  using Hook = std::function<void(MemoryOperation, std::uint64_t offset, std::uint64_t bytes)>;

  // Creates a file that nodes open by its name while the object lives. Also registers driver
  // "memory".
  static std::shared_ptr<MemoryFile> create(const std::string& name,
                                            std::vector<std::byte> content = {});
  ~MemoryFile();

  const std::string& name() const { return name_; }

  // content(): the bytes that reads return. durable_content(): the bytes that are left after a
  // power cut that loses everything that was not flushed.
  std::vector<std::byte> content() const;
  std::vector<std::byte> durable_content() const;
  void set_content(std::vector<std::byte> content); // the content counts as flushed
  std::vector<std::byte> read(std::uint64_t offset,
                              std::size_t bytes) const; // zeros beyond the end
  // the changes since the last flush, in order
  std::vector<MemoryChange> unflushed() const;

  // Number of operations that reached the file, including failed ones.
  std::uint64_t count(MemoryOperation operation) const;
  std::uint64_t fua_writes() const;
  // The debug events that the parents of the file have emitted.
  std::set<DebugEvent> events() const;

  // The nth such operation from now fails once (1 = the next one).
  void fail(MemoryOperation operation, std::uint64_t nth, int errno_value);
  // Every such operation fails until heal().
  void fail_always(MemoryOperation operation, int errno_value);
  // Reads (or writes) of a range that includes that byte of the file fail with EIO until heal(), as
  // on a bad sector. A failing write changes nothing.
  void fail_reads_of(std::uint64_t offset);
  void fail_writes_of(std::uint64_t offset);
  void heal();
  // Returns whether all bytes of each write that fail() or fail_always() made fail were written
  // again before the next successful flush. Then the fault need not be reported.
  bool failed_writes_were_repeated() const;
  // Simulates a failed write-back: reads still return the content, but the medium contains `held`
  // from `offset` on, until that range is written again.
  void lose_write(std::uint64_t offset, std::vector<std::byte> held);
  // Makes reads of the medium unsupported from now on.
  void hide_medium();
  // Writes and truncations beyond this length fail with ENOSPC.
  void set_capacity(std::uint64_t bytes);
  // Sets a function that is called before each operation, on its thread and without locks. It may
  // wait, to hold a request.
  void set_hook(Hook hook);
  // Sets a function that is called while a write changes the file, in the order of the writes. It
  // must not call the file.
  using WriteObserver = std::function<void(std::uint64_t offset, std::span<const std::byte> data)>;
  void set_write_observer(WriteObserver observer);

  // --- Used by the driver. ---
  static std::shared_ptr<MemoryFile> find(const std::string& name);
  std::uint64_t length() const;
  Result<void> driver_read(std::uint64_t offset, const IoVector& vector);
  Result<void> driver_read_medium(std::uint64_t offset, const IoVector& vector);
  Result<void> driver_write(std::uint64_t offset, const IoVector& vector, bool fua);
  Result<void> driver_zero(std::uint64_t offset, std::uint64_t bytes, bool fua);
  Result<void> driver_discard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> driver_truncate(std::uint64_t length);
  Result<void> driver_flush();
  void driver_event(DebugEvent event);

private:
  static constexpr std::size_t operations = 5;
  struct Faults {
    std::map<std::uint64_t, int> at; // the errno value by the count of the operation
    int always = 0;                  // errno value
  };

  explicit MemoryFile(std::string name, std::vector<std::byte> content);
  Result<void> begin(MemoryOperation operation, std::uint64_t offset, std::uint64_t bytes);
  Result<void> reserve(std::uint64_t end);
  Result<void> read_from(const std::vector<std::byte>& content, std::uint64_t offset,
                         const IoVector& vector);
  void log(MemoryChange change);
  void make_durable(std::size_t changes);
  void note_written(std::uint64_t begin, std::uint64_t end);

  const std::string name_;
  mutable std::mutex mutex_; // guards the following members
  std::vector<std::byte> content_;
  // after lose_write(): the medium, if it differs from content_
  std::optional<std::vector<std::byte>> medium_;
  bool medium_hidden_ = false;
  std::vector<std::byte> durable_;
  std::vector<MemoryChange> unflushed_;
  std::uint64_t ever_flushed_ = 0; // total number of changes that left unflushed_ by a flush
  std::array<std::uint64_t, operations> counts_{};
  std::uint64_t fua_writes_ = 0;
  std::set<DebugEvent> events_;
  std::array<Faults, operations> faults_;
  struct Range {
    std::uint64_t begin, end;
  };
  std::vector<Range> unwritten_; // ranges of failed writes that were not written since
  bool flushed_without_ = false; // a flush succeeded while unwritten_ was not empty
  std::optional<std::uint64_t> unreadable_byte_, unwritable_byte_;
  std::uint64_t capacity_ = UINT64_MAX;
  Hook hook_;
  WriteObserver write_observer_;
};

} // namespace block

#endif
