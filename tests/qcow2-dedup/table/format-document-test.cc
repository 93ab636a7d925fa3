// The worked example of docs/formats/qcow2-dedup.md, read as a program would read the image.
#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace qcow2_dedup {
namespace {

constexpr block::ClusterSize cluster_size{12};
constexpr std::uint64_t disk_bytes = 1 << 20;

// The bytes of the image that the document shows, by offset; the rest of the image is zero.
class DocumentedImage : public testing::Test {
protected:
  void SetUp() override {
    std::ifstream document(FORMAT_DOCUMENT);
    ASSERT_TRUE(document) << FORMAT_DOCUMENT;
    bool in_dump = false;
    for (std::string line; std::getline(document, line);) {
      if (line.starts_with("```"))
        in_dump = line == "```hexdump";
      else if (in_dump)
        read_dump_line(line);
    }
    ASSERT_FALSE(shown_.empty());
  }

  // "OFFSET  16 bytes in hex  |the same as text|"
  void read_dump_line(const std::string& line) {
    std::istringstream hex(line.substr(0, line.find('|')));
    std::uint64_t offset = 0;
    ASSERT_TRUE(hex >> std::hex >> offset) << line;
    std::string text;
    for (unsigned byte = 0; hex >> byte; ++offset) {
      ASSERT_LT(byte, 256u) << line;
      shown_[offset] = static_cast<std::byte>(byte);
      text += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
    }
    EXPECT_EQ(text.size(), 16u) << line;
    EXPECT_EQ(line.substr(line.find('|')), "|" + text + "|");
  }

  std::vector<std::byte> bytes(std::uint64_t offset, std::size_t count) const {
    std::vector<std::byte> result(count);
    for (auto at = shown_.lower_bound(offset); at != shown_.end() && at->first < offset + count;
         ++at)
      result[at->first - offset] = at->second;
    return result;
  }

  template <typename Integer>
  Integer number(std::uint64_t offset) const {
    return block::load_big_endian<Integer>(bytes(offset, sizeof(Integer)).data());
  }

  // Walks the header extensions from the end of the fixed header to the one of this type.
  std::vector<std::byte> header_extension(std::uint32_t wanted) const {
    std::uint64_t offset = 112;
    while (true) {
      const auto type = number<std::uint32_t>(offset);
      const auto length = number<std::uint32_t>(offset + 4);
      if (type == wanted) return bytes(offset + 8, length);
      if (type == 0 || offset > 0x1000) return {};
      offset += 8 + (length + 7) / 8 * 8;
    }
  }

  std::map<std::uint64_t, std::byte> shown_;
};

dedup::Fingerprint fingerprint_of_cluster_of(char letter) {
  const std::string content(cluster_size.bytes(), letter);
  const auto* data = reinterpret_cast<const std::byte*>(content.data());
  dedup::Fingerprint result;
  dedup::Hasher::create(dedup::HashAlgorithm::sha256)
      ->fingerprint({&data, 1}, content.size(), {&result, 1});
  return result;
}

TEST_F(DocumentedImage, NamesTheAutoclearBit) {
  constexpr std::uint32_t feature_name_table = 0x6803F857;
  const auto names = header_extension(feature_name_table);
  ASSERT_EQ(names.size(), 48u);
  EXPECT_EQ(names[0], std::byte{2});
  EXPECT_EQ(names[1], std::byte{dedup_feature_bit});
  EXPECT_STREQ(reinterpret_cast<const char*>(&names[2]), autoclear_feature_name);
}

TEST_F(DocumentedImage, LeadsFromTheExtensionToTheEntriesItDescribes) {
  const auto extension = decode_extension(header_extension(extension_magic), cluster_size);
  ASSERT_TRUE(extension.ok()) << extension.error().message();
  EXPECT_EQ(extension->table_offset, block::HostOffset(0x7000));
  EXPECT_EQ(extension->table_entries, 512u);
  EXPECT_EQ(extension->algorithm, dedup::HashAlgorithm::sha256);
  EXPECT_EQ(extension->strategies, lookup_in_ram | dedup_running);
  EXPECT_EQ(extension->file_end, 0x18000u);
  EXPECT_EQ(extension->lost_from, 0u);

  const block::HostCluster fifth(5), sixth(6);
  const auto block_offset = number<std::uint64_t>(extension->table_offset.value() +
                                                  block_index_of(fifth) * sizeof(std::uint64_t));
  EXPECT_EQ(block_offset, 0x8000u);
  const auto block_bytes = bytes(block_offset, hash_block_bytes);
  const ConstHashBlock hash_block(block_bytes.data(), hash_block_bytes);
  EXPECT_TRUE(check_block_end(hash_block).ok());
  for (std::size_t slot = 0; slot < entries_per_block; ++slot)
    EXPECT_TRUE(check_entry(hash_block, 0, slot, cluster_size, disk_bytes).ok()) << slot;
  EXPECT_EQ(load_entry(hash_block, slot_of(fifth)),
            (Entry{fingerprint_of_cluster_of('A'), block::GuestOffset(0x3000)}));
  EXPECT_EQ(load_entry(hash_block, slot_of(sixth)),
            (Entry{fingerprint_of_cluster_of('B'), std::nullopt}));
  EXPECT_TRUE(load_entry(hash_block, 4).empty());
  EXPECT_TRUE(load_entry(hash_block, 7).empty());
}

TEST_F(DocumentedImage, HasTheDigestOfItsTables) {
  auto tables = bytes(0x3000, 8);
  for (std::size_t table : {0x1000, 0x7000}) { // the refcount table, and the dedup table's L1
    const auto next = bytes(table, 0x1000);
    tables.insert(tables.end(), next.begin(), next.end());
  }
  const std::byte* data = tables.data();
  dedup::Fingerprint digest;
  dedup::Hasher::create(dedup::HashAlgorithm::sha256)
      ->fingerprint({&data, 1}, tables.size(), {&digest, 1});
  EXPECT_EQ(decode_extension(header_extension(extension_magic), cluster_size)->tables_digest,
            digest.prefix64());
}

TEST_F(DocumentedImage, IsWhatTheEncodersWrite) {
  Extension extension;
  extension.file_end = 0x18000;
  extension.tables_digest =
      decode_extension(header_extension(extension_magic), cluster_size)->tables_digest;
  extension.table_offset = block::HostOffset(0x7000);
  extension.table_entries = 512;
  const auto encoded = encode_extension(extension);
  EXPECT_EQ(header_extension(extension_magic),
            std::vector<std::byte>(encoded.begin(), encoded.end()));

  std::vector<std::byte> block_bytes(hash_block_bytes);
  const HashBlock hash_block(block_bytes.data(), hash_block_bytes);
  store_entry(hash_block, 5, {fingerprint_of_cluster_of('A'), block::GuestOffset(0x3000)});
  store_entry(hash_block, 6, {fingerprint_of_cluster_of('B'), std::nullopt});
  EXPECT_EQ(bytes(0x8000, hash_block_bytes), block_bytes);
}

} // namespace
} // namespace qcow2_dedup
