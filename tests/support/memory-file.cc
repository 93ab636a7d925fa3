// MemoryFile: content, faults and the list of changes that are not durable.
#include "tests/support/memory-file.h"

#include "tests/support/memory-driver.h"

#include "block/graph.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace block {
namespace {

struct Files {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<MemoryFile>> by_name;
};

Files& files() {
  static Files all;
  return all;
}

const char* verb(MemoryOperation operation) {
  constexpr std::array<const char*, 5> verbs = {"read", "write", "flush", "discard", "truncate"};
  return verbs[static_cast<std::size_t>(operation)];
}

} // namespace

void apply_change(std::vector<std::byte>& content, const MemoryChange& change) {
  if (change.kind == MemoryChange::Kind::truncate) {
    content.resize(change.offset);
    return;
  }
  const std::uint64_t end = change.offset + change.bytes;
  if (change.kind == MemoryChange::Kind::write) {
    if (content.size() < end) content.resize(end);
    std::copy(change.data.begin(), change.data.end(),
              content.begin() + static_cast<std::ptrdiff_t>(change.offset));
  } else if (change.offset < content.size()) {
    const std::uint64_t bytes = std::min<std::uint64_t>(end, content.size()) - change.offset;
    std::memset(content.data() + change.offset, 0, bytes);
  }
}

std::shared_ptr<MemoryFile> MemoryFile::create(const std::string& name,
                                               std::vector<std::byte> content) {
  register_memory_driver();
  std::shared_ptr<MemoryFile> file(new MemoryFile(name, std::move(content)));
  std::lock_guard hold(files().mutex);
  files().by_name[name] = file;
  return file;
}

MemoryFile::MemoryFile(std::string name, std::vector<std::byte> content)
    : name_(std::move(name)), content_(std::move(content)), durable_(content_) {}

MemoryFile::~MemoryFile() {
  std::lock_guard hold(files().mutex);
  auto entry = files().by_name.find(name_);
  // Another file may have been created under this name since.
  if (entry != files().by_name.end() && entry->second.expired()) files().by_name.erase(entry);
}

std::shared_ptr<MemoryFile> MemoryFile::find(const std::string& name) {
  std::lock_guard hold(files().mutex);
  auto entry = files().by_name.find(name);
  return entry == files().by_name.end() ? nullptr : entry->second.lock();
}

std::vector<std::byte> MemoryFile::content() const {
  std::lock_guard hold(mutex_);
  return content_;
}

std::vector<std::byte> MemoryFile::durable_content() const {
  std::lock_guard hold(mutex_);
  std::vector<std::byte> durable = durable_;
  for (const MemoryChange& change : unflushed_)
    if (change.durable) apply_change(durable, change);
  return durable;
}

void MemoryFile::set_content(std::vector<std::byte> content) {
  std::lock_guard hold(mutex_);
  content_ = std::move(content);
  medium_.reset();
  durable_ = content_;
  ever_flushed_ += unflushed_.size();
  unflushed_.clear();
}

std::vector<std::byte> MemoryFile::read(std::uint64_t offset, std::size_t bytes) const {
  std::lock_guard hold(mutex_);
  std::vector<std::byte> data(bytes);
  if (bytes > 0 && offset < content_.size())
    std::memcpy(data.data(), content_.data() + offset,
                std::min<std::uint64_t>(bytes, content_.size() - offset));
  return data;
}

std::vector<MemoryChange> MemoryFile::unflushed() const {
  std::lock_guard hold(mutex_);
  return unflushed_;
}

std::uint64_t MemoryFile::count(MemoryOperation operation) const {
  std::lock_guard hold(mutex_);
  return counts_[static_cast<std::size_t>(operation)];
}

std::set<DebugEvent> MemoryFile::events() const {
  std::lock_guard hold(mutex_);
  return events_;
}

void MemoryFile::driver_event(DebugEvent event) {
  std::lock_guard hold(mutex_);
  events_.insert(event);
}

std::uint64_t MemoryFile::fua_writes() const {
  std::lock_guard hold(mutex_);
  return fua_writes_;
}

void MemoryFile::fail(MemoryOperation operation, std::uint64_t nth, int errno_value) {
  std::lock_guard hold(mutex_);
  const auto index = static_cast<std::size_t>(operation);
  faults_[index].at[counts_[index] + nth] = errno_value;
}

void MemoryFile::fail_always(MemoryOperation operation, int errno_value) {
  std::lock_guard hold(mutex_);
  faults_[static_cast<std::size_t>(operation)].always = errno_value;
}

void MemoryFile::fail_reads_of(std::uint64_t offset) {
  std::lock_guard hold(mutex_);
  unreadable_byte_ = offset;
}

void MemoryFile::fail_writes_of(std::uint64_t offset) {
  std::lock_guard hold(mutex_);
  unwritable_byte_ = offset;
}

void MemoryFile::heal() {
  std::lock_guard hold(mutex_);
  unreadable_byte_.reset();
  unwritable_byte_.reset();
  faults_ = {};
}

bool MemoryFile::failed_writes_were_repeated() const {
  std::lock_guard hold(mutex_);
  return unwritten_.empty() && !flushed_without_;
}

void MemoryFile::note_written(std::uint64_t begin, std::uint64_t end) {
  std::vector<Range> left;
  for (const Range& range : unwritten_) {
    const Range before{range.begin, std::min(range.end, begin)};
    const Range after{std::max(range.begin, end), range.end};
    for (const Range& part : {before, after})
      if (part.begin < part.end) left.push_back(part);
  }
  unwritten_ = std::move(left);
}

void MemoryFile::lose_write(std::uint64_t offset, std::vector<std::byte> held) {
  std::lock_guard hold(mutex_);
  if (!medium_) medium_ = content_;
  std::ranges::copy(held, medium_->begin() + static_cast<std::ptrdiff_t>(offset));
}

void MemoryFile::hide_medium() {
  std::lock_guard hold(mutex_);
  medium_hidden_ = true;
}

void MemoryFile::set_capacity(std::uint64_t bytes) {
  std::lock_guard hold(mutex_);
  capacity_ = bytes;
}

void MemoryFile::set_hook(Hook hook) {
  std::lock_guard hold(mutex_);
  hook_ = std::move(hook);
}

void MemoryFile::set_write_observer(WriteObserver observer) {
  std::lock_guard hold(mutex_);
  write_observer_ = std::move(observer);
}

std::uint64_t MemoryFile::length() const {
  std::lock_guard hold(mutex_);
  return content_.size();
}

// Counts the operation, and returns its error if one is due. Takes and releases the lock, so a hook
// that waits holds only this request.
Result<void> MemoryFile::begin(MemoryOperation operation, std::uint64_t offset,
                               std::uint64_t bytes) {
  Hook hook;
  int failed = 0;
  {
    std::lock_guard hold(mutex_);
    const auto index = static_cast<std::size_t>(operation);
    Faults& faults = faults_[index];
    failed = faults.always;
    if (auto fault = faults.at.find(++counts_[index]); fault != faults.at.end())
      failed = fault->second;
    if (failed != 0 && operation == MemoryOperation::write)
      unwritten_.push_back({offset, offset + bytes});
    hook = hook_;
  }
  if (hook) hook(operation, offset, bytes);
  if (failed != 0)
    return Error::from_errno(failed, std::string(verb(operation)) + " of memory file failed");
  return {};
}

Result<void> MemoryFile::reserve(std::uint64_t end) {
  if (end > capacity_) return Error::from_errno(ENOSPC, "memory file is full");
  if (end > content_.size()) content_.resize(end);
  if (medium_ && end > medium_->size()) medium_->resize(end);
  return {};
}

void MemoryFile::log(MemoryChange change) {
  apply_change(content_, change);
  if (medium_) apply_change(*medium_, change);
  unflushed_.push_back(std::move(change));
}

void MemoryFile::make_durable(std::size_t changes) {
  const auto end = unflushed_.begin() + static_cast<std::ptrdiff_t>(changes);
  std::for_each(unflushed_.begin(), end,
                [&](const MemoryChange& change) { apply_change(durable_, change); });
  unflushed_.erase(unflushed_.begin(), end);
  ever_flushed_ += changes;
}

namespace {

bool touches(std::optional<std::uint64_t> byte, std::uint64_t offset, std::uint64_t bytes) {
  return byte && offset <= *byte && *byte - offset < bytes;
}

} // namespace

Result<void> MemoryFile::read_from(const std::vector<std::byte>& content, std::uint64_t offset,
                                   const IoVector& vector) {
  if (touches(unreadable_byte_, offset, vector.size())) return Error::from_errno(EIO, "bad sector");
  vector.fill(0, vector.size(), std::byte{0});
  if (offset < content.size()) {
    const std::uint64_t bytes = std::min<std::uint64_t>(vector.size(), content.size() - offset);
    vector.copy_from(0, std::span(content).subspan(offset, bytes));
  }
  return {};
}

Result<void> MemoryFile::driver_read(std::uint64_t offset, const IoVector& vector) {
  BLOCK_TRY(begin(MemoryOperation::read, offset, vector.size()));
  std::lock_guard hold(mutex_);
  return read_from(content_, offset, vector);
}

Result<void> MemoryFile::driver_read_medium(std::uint64_t offset, const IoVector& vector) {
  BLOCK_TRY(begin(MemoryOperation::read, offset, vector.size()));
  std::lock_guard hold(mutex_);
  if (medium_hidden_) return Error(ErrorKind::unsupported, "the medium is hidden");
  return read_from(medium_ ? *medium_ : content_, offset, vector);
}

Result<void> MemoryFile::driver_write(std::uint64_t offset, const IoVector& vector, bool fua) {
  BLOCK_TRY(begin(MemoryOperation::write, offset, vector.size()));
  std::vector<std::byte> data(vector.size());
  vector.copy_to(0, data);
  std::lock_guard hold(mutex_);
  if (touches(unwritable_byte_, offset, data.size())) return Error::from_errno(EIO, "bad sector");
  BLOCK_TRY(reserve(offset + data.size()));
  if (fua) ++fua_writes_;
  if (write_observer_) write_observer_(offset, data);
  note_written(offset, offset + data.size());
  const std::uint64_t bytes = data.size();
  log({MemoryChange::Kind::write, offset, std::move(data), bytes, fua});
  return {};
}

Result<void> MemoryFile::driver_zero(std::uint64_t offset, std::uint64_t bytes, bool fua) {
  {
    std::lock_guard hold(mutex_);
    // Checked before the zeros are allocated.
    if (offset + bytes > capacity_) return Error::from_errno(ENOSPC, "memory file is full");
  }
  const std::vector<std::byte> zeros(bytes);
  return driver_write(offset, IoVector(zeros.data(), zeros.size()), fua);
}

Result<void> MemoryFile::driver_discard(std::uint64_t offset, std::uint64_t bytes) {
  BLOCK_TRY(begin(MemoryOperation::discard, offset, bytes));
  std::lock_guard hold(mutex_);
  log({MemoryChange::Kind::discard, offset, {}, bytes, false});
  return {};
}

Result<void> MemoryFile::driver_truncate(std::uint64_t length) {
  BLOCK_TRY(begin(MemoryOperation::truncate, length, 0));
  std::lock_guard hold(mutex_);
  if (length > capacity_) return Error::from_errno(ENOSPC, "memory file is full");
  log({MemoryChange::Kind::truncate, length, {}, 0, false});
  return {};
}

Result<void> MemoryFile::driver_flush() {
  std::uint64_t promised;
  {
    std::lock_guard hold(mutex_);
    promised = ever_flushed_ + unflushed_.size();
  }
  BLOCK_TRY(begin(MemoryOperation::flush, 0, 0));
  std::lock_guard hold(mutex_);
  // A concurrent flush may have made some of the changes durable already.
  if (!unwritten_.empty()) flushed_without_ = true;
  const std::size_t flushed = promised > ever_flushed_ ? promised - ever_flushed_ : 0;
  make_durable(flushed);
  return {};
}

} // namespace block
