// The GTree index. The tree orders leaves, not entries: a tree node costs 48 bytes, which is little
// for each leaf of about 350 entries and would be too much for every entry.
//
// A leaf's key is the greatest short fingerprint of its range; the range begins after the key of
// the leaf before. So when a leaf is removed, its range passes to the next leaf without any update,
// and one g_tree_lower_bound() finds the leaf of any fingerprint. The leaf with the greatest key of
// all, created first, takes everything above the other leaves.
#include "block/dedup/index-leaf.h"

#include <glib.h>

#include <algorithm>
#include <array>

namespace dedup {
namespace {

// Keys are numbers stored in the pointers themselves, so comparing them accesses only tree nodes.
static_assert(sizeof(gpointer) == 8, "a 48-bit key must fit into a pointer");
constexpr std::uint64_t greatest_key = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t cluster_limit = std::uint64_t{1} << 48;
// GLib's GTreeNode, allocated by its slice allocator in steps of 16 bytes.
constexpr std::uint64_t tree_node_cost = 48;
constexpr std::size_t found_at_once = 64; // fingerprints

gpointer key_of(std::uint64_t prefix48) {
  return GSIZE_TO_POINTER(prefix48);
}
Leaf* leaf_of(GTreeNode* node) {
  return static_cast<Leaf*>(g_tree_node_value(node));
}

gint compare_keys(gconstpointer a, gconstpointer b, gpointer) {
  const auto left = GPOINTER_TO_SIZE(a);
  const auto right = GPOINTER_TO_SIZE(b);
  return (left > right) - (left < right);
}

void delete_leaf(gpointer leaf) {
  delete static_cast<Leaf*>(leaf);
}

class TreeIndex final : public Index {
public:
  explicit TreeIndex(std::uint64_t max_bytes)
      : max_bytes_(max_bytes),
        tree_(g_tree_new_full(compare_keys, nullptr, nullptr, delete_leaf)) {}
  ~TreeIndex() override { g_tree_destroy(tree_); }

  bool insert(const Fingerprint& fingerprint, block::HostCluster cluster) override {
    if (cluster.value() >= cluster_limit) return false;
    const std::uint64_t prefix = fingerprint.prefix48();
    Leaf& leaf = leaf_with_room(prefix);
    const std::uint64_t before = leaf.memory_bytes();
    const Leaf::Insertion insertion = leaf.insert(prefix, cluster);
    memory_bytes_ += leaf.memory_bytes() - before;
    if (insertion == Leaf::Insertion::done) ++entries_;
    return insertion != Leaf::Insertion::too_many;
  }

  bool remove(const Fingerprint& fingerprint, block::HostCluster cluster) override {
    const std::uint64_t prefix = fingerprint.prefix48();
    GTreeNode* node = g_tree_lower_bound(tree_, key_of(prefix));
    if (node == nullptr) return false;
    Leaf& leaf = *leaf_of(node);
    const std::uint64_t before = leaf.memory_bytes();
    if (!leaf.remove(prefix, cluster)) return false;
    memory_bytes_ -= before - leaf.memory_bytes();
    --entries_;
    if (leaf.size() < Leaf::max_entries / 4) give_to_next_leaf(node);
    return true;
  }

  Candidates find(const Fingerprint& fingerprint) const override {
    const std::uint64_t prefix = fingerprint.prefix48();
    GTreeNode* node = g_tree_lower_bound(tree_, key_of(prefix));
    return node == nullptr ? Candidates() : leaf_of(node)->find(prefix);
  }

  void find(std::span<const Fingerprint> fingerprints, std::span<Candidates> found) const override {
    // Three passes, because each determines the address for the next one: the tree yields the leaf,
    // the leaf the position in its array. Each pass prefetches for the next.
    std::array<const Leaf*, found_at_once> leaves;
    for (std::size_t done = 0; done < fingerprints.size(); done += found_at_once) {
      const auto some =
          fingerprints.subspan(done, std::min(found_at_once, fingerprints.size() - done));
      for (std::size_t i = 0; i < some.size(); ++i) {
        GTreeNode* node = g_tree_lower_bound(tree_, key_of(some[i].prefix48()));
        leaves[i] = node == nullptr ? nullptr : leaf_of(node);
        __builtin_prefetch(leaves[i]);
      }
      for (std::size_t i = 0; i < some.size(); ++i)
        if (leaves[i]) leaves[i]->prefetch(some[i].prefix48());
      for (std::size_t i = 0; i < some.size(); ++i)
        found[done + i] = leaves[i] ? leaves[i]->find(some[i].prefix48()) : Candidates();
    }
  }

  void clear() override {
    g_tree_remove_all(tree_);
    entries_ = 0;
    memory_bytes_ = 0;
  }

  std::uint64_t entries() const override { return entries_; }
  std::uint64_t memory_bytes() const override { return memory_bytes_; }

private:
  Leaf& leaf_with_room(std::uint64_t prefix) {
    GTreeNode* node = g_tree_lower_bound(tree_, key_of(prefix));
    if (node == nullptr) return add_leaf(greatest_key, std::make_unique<Leaf>());
    Leaf& leaf = *leaf_of(node);
    if (memory_bytes_ >= max_bytes_ && leaf.size() > 0) {
      leaf.remove_at(next_random() % leaf.size());
      --entries_;
      return leaf;
    }
    if (!leaf.full()) return leaf;
    memory_bytes_ -= leaf.memory_bytes();
    std::unique_ptr<Leaf> lower = leaf.split_lower_half();
    memory_bytes_ += leaf.memory_bytes();
    const std::uint64_t lower_key = lower->last_prefix48();
    Leaf& added = add_leaf(lower_key, std::move(lower));
    return prefix <= lower_key ? added : leaf;
  }

  Leaf& add_leaf(std::uint64_t key, std::unique_ptr<Leaf> leaf) {
    Leaf& added = *leaf;
    memory_bytes_ += added.memory_bytes() + tree_node_cost;
    g_tree_insert(tree_, key_of(key), leaf.release());
    return added;
  }

  // Removes a leaf that became small from the tree, if the next leaf has room for its entries and
  // does not become nearly full; an empty leaf in any case.
  void give_to_next_leaf(GTreeNode* node) {
    Leaf& leaf = *leaf_of(node);
    if (leaf.size() > 0) {
      GTreeNode* next_node = g_tree_node_next(node);
      if (next_node == nullptr) return;
      Leaf& next = *leaf_of(next_node);
      if (leaf.size() + next.size() > Leaf::max_entries / 4 * 3) return;
      memory_bytes_ -= next.memory_bytes();
      next.prepend(leaf);
      memory_bytes_ += next.memory_bytes();
    }
    memory_bytes_ -= leaf.memory_bytes() + tree_node_cost;
    g_tree_remove(tree_, g_tree_node_key(node));
  }

  // The choice of the replaced pair may be predictable: losing a pair costs at most space in the
  // image.
  std::uint32_t next_random() {
    random_ = random_ * 1664525 + 1013904223;
    return random_ >> 16;
  }

  const std::uint64_t max_bytes_;
  GTree* tree_;
  std::uint32_t random_ = 1;
  std::uint64_t entries_ = 0;
  std::uint64_t memory_bytes_ = 0;
};

} // namespace

std::unique_ptr<Index> make_tree_index(std::uint64_t max_bytes) {
  return std::make_unique<TreeIndex>(max_bytes);
}

} // namespace dedup
