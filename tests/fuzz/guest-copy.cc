// GuestCopy: take, write, compare.
#include "tests/fuzz/guest-copy.h"

#include "tests/fuzz/hostile-image.h"

#include <algorithm>

namespace fuzz {

using block::IoVector;
using block::Result;

namespace {

constexpr std::uint64_t most_bytes = 512 << 10;

} // namespace

bool GuestCopy::take(block::Node& node) {
  Result<std::uint64_t> length = node.co_get_length();
  require_ok(length, "an open image has a length");
  content_.assign(static_cast<std::size_t>(std::min(*length, most_bytes)), '?');
  return content_.empty() || node.co_readv(0, IoVector(content_.data(), content_.size())).ok();
}

void GuestCopy::require_same(block::Node& node, const std::string& what) const {
  std::string found(content_.size(), '?');
  if (found.empty()) return;
  require_ok(node.co_readv(0, IoVector(found.data(), found.size())), what);
  if (found == content_) return;
  auto place = std::mismatch(found.begin(), found.end(), content_.begin()).first - found.begin();
  require(false, what + "; differs at guest byte " + std::to_string(place));
}

bool GuestCopy::write(block::Node& node, std::size_t offset, const std::string& data) {
  if (offset > content_.size() || content_.size() - offset < data.size()) return true;
  Result<void> done = node.co_writev(offset, IoVector(data.data(), data.size()));
  if (done) {
    content_.replace(offset, data.size(), data);
    return true;
  }
  require(!done.error().message().empty(), "an error says what is wrong");
  // Whole clusters are old or new; what they are now is read anew, the rest has to be the same.
  std::string now(data.size(), '?');
  if (node.co_readv(offset, IoVector(now.data(), now.size())))
    content_.replace(offset, now.size(), now);
  return false;
}

void GuestCopy::write_and_compare(block::Node& node) {
  auto cluster = std::max<std::size_t>(node.limits().opt_transfer, 512);
  if (content_.size() < 2 * cluster) return;
  const std::size_t clusters = content_.size() / cluster;
  auto at = [&](std::size_t number) { return number % clusters * cluster; };
  auto stored = [&](std::size_t number) { return content_.substr(at(number), cluster); };
  const std::string fresh = content_of(cluster, 77);

  // Contents that are there already, to places in use and to free ones.
  for (std::size_t number = 0; number < std::min<std::size_t>(clusters, 12); ++number)
    write(node, at(number * 5 + 3), stored(number));
  require_same(node, "duplicates are what was written");
  write(node, at(1), fresh);
  write(node, at(4), fresh + fresh);
  write(node, at(2) + cluster / 2, fresh); // parts of two clusters
  require_same(node, "new contents are what was written");
  write(node, at(6), std::string(cluster, '\0'));
  if (node.co_pdiscard(at(1), cluster)) content_.replace(at(1), cluster, stored(1).size(), '\0');
  require_same(node, "what was discarded is zeros, and the rest as before");
  (void)node.co_flush().ok();

  // In the end each owner of a shared cluster is overwritten in turn.
  const std::string shared = stored(4);
  for (std::size_t number = 7; number < 11; ++number)
    write(node, at(number), shared);
  unsigned seed = 78;
  for (std::size_t number : {4, 8, 10, 7, 9}) {
    write(node, at(number), content_of(cluster, seed++));
    require_same(node, "the other owners of an overwritten cluster keep it");
  }
}

void GuestCopy::share_and_overwrite(block::Node& node) {
  constexpr std::size_t most = 64;
  auto cluster = std::max<std::size_t>(node.limits().opt_transfer, 512);
  const std::size_t half = content_.size() / cluster / 2;
  const std::size_t count = std::min(half, most);
  for (std::size_t from : {std::size_t{0}, half}) {
    const std::size_t to = half - from;
    for (std::size_t i = 0; i < count; ++i)
      write(node, (to + i) * cluster, content_.substr((from + i) * cluster, cluster));
    for (std::size_t i = 0; i < count; ++i)
      write(node, (from + i) * cluster,
            content_of(cluster, static_cast<unsigned>(1000 + from + i)));
    require_same(node, "what got another owner survives the overwriting of the first");
  }
}

} // namespace fuzz
