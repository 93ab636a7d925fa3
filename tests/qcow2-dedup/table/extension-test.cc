// The header extension: there and back, and each rule broken once.
#include "block/qcow2-dedup/table/extension.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace qcow2_dedup {
namespace {

constexpr block::ClusterSize four_kib{12};

Extension sample() {
  Extension extension;
  extension.table_offset = block::HostOffset(0x50000);
  extension.table_entries = 512;
  return extension;
}

void expect_error(const std::vector<std::byte>& data, block::ErrorKind kind,
                  const std::string& message) {
  const auto decoded = decode_extension(data, four_kib);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().kind(), kind);
  EXPECT_EQ(decoded.error().message(), message);
}

void expect_error(const Extension& extension, block::ErrorKind kind, const std::string& message) {
  const auto data = encode_extension(extension);
  expect_error(std::vector<std::byte>(data.begin(), data.end()), kind, message);
}

TEST(Extension, HasTheLayoutOfTheFormat) {
  Extension extension = sample();
  extension.table_offset = block::HostOffset(0x0012345678900000);
  extension.table_entries = 0x00010203;
  extension.strategies = 0x0F;
  extension.scan_position = 0x0102030405060708;
  extension.file_end = 0x1112131415161718;
  extension.tables_digest = 0x2122232425262728;
  extension.lost_from = 0x3132333435363738;
  const auto data = encode_extension(extension);
  static_assert(sizeof data == 70);
  constexpr unsigned expected[] = {
      0x00, 0x12, 0x34, 0x56, 0x78, 0x90, 0x00, 0x00, // table offset
      0x00, 0x01, 0x02, 0x03, 0x00, 0x0F,             // entries, algorithm, strategies
      0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, // scan position
      0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, // file end
      0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, // tables digest
      0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, // lost from
  };
  for (std::size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(data[i], static_cast<std::byte>(expected[i])) << i;
  for (std::size_t i = std::size(expected); i < data.size(); ++i)
    EXPECT_EQ(data[i], std::byte{0}) << i;
}

TEST(Extension, DecodesWhatItEncoded) {
  for (const std::uint8_t strategies : {0, 1, 5, 7, 15}) {
    Extension extension = sample();
    extension.strategies = strategies;
    const auto decoded = decode_extension(encode_extension(extension), four_kib);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, extension);
  }
}

TEST(Extension, MayHaveNoTableYet) {
  const auto decoded = decode_extension(encode_extension(Extension()), four_kib);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, Extension());
}

TEST(Extension, PreservesReservedBytesItDoesNotKnow) {
  auto data = encode_extension(sample());
  for (std::size_t i = 14; i < data.size(); ++i)
    data[i] = static_cast<std::byte>(i);
  const auto decoded = decode_extension(data, four_kib);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(encode_extension(*decoded), data);
}

TEST(Extension, SetsAndClearsOneStrategyAndKeepsTheOthers) {
  Extension extension = sample();
  extension.strategies = lookup_in_ram | lookup_on_disk;
  extension.set(in_use, true);
  EXPECT_TRUE(extension.has(in_use));
  extension.set(lookup_in_ram, false);
  EXPECT_FALSE(extension.has(lookup_in_ram));
  EXPECT_EQ(extension.strategies, lookup_on_disk | in_use);
}

TEST(Extension, OfAnyOtherLengthIsCorrupt) {
  for (const std::size_t length : {0u, 1u, 14u, 69u, 71u, 72u, 4096u})
    expect_error(std::vector<std::byte>(length), block::ErrorKind::corrupt,
                 "dedup header extension: length " + std::to_string(length) + " instead of 70");
}

TEST(Extension, WithAnUnalignedTableIsCorrupt) {
  Extension extension = sample();
  extension.table_offset = block::HostOffset(0x50200);
  expect_error(extension, block::ErrorKind::corrupt,
               "dedup header extension: table offset 328192 is not cluster aligned");
}

TEST(Extension, WithATableBeyondAnyFileIsCorrupt) {
  Extension extension = sample();
  extension.table_offset = block::HostOffset(std::uint64_t{1} << 56);
  expect_error(extension, block::ErrorKind::corrupt,
               "dedup header extension: table offset 72057594037927936 is out of range");
}

TEST(Extension, WithATableButNoEntriesOrEntriesButNoTableIsCorrupt) {
  Extension extension = sample();
  extension.table_entries = 0;
  expect_error(extension, block::ErrorKind::corrupt,
               "dedup header extension: a table without entries");
  extension = sample();
  extension.table_offset = block::HostOffset(0);
  expect_error(extension, block::ErrorKind::corrupt,
               "dedup header extension: table entries but no table");
}

TEST(Extension, WithATableTooLargeToLoadIsUnsupportedAndTheLargestIsNot) {
  Extension extension = sample();
  extension.table_entries = max_table_entries;
  EXPECT_TRUE(decode_extension(encode_extension(extension), four_kib).ok());
  extension.table_entries = max_table_entries + 1;
  expect_error(extension, block::ErrorKind::unsupported,
               "a dedup table of 4194305 entries is not supported, only up to 4194304");
}

TEST(Extension, MayNameAnyHashAlgorithm) {
  Extension extension = sample();
  extension.algorithm = static_cast<dedup::HashAlgorithm>(99);
  const auto decoded = decode_extension(encode_extension(extension), four_kib);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, extension);
}

TEST(Extension, WithAnUnknownStrategyIsUnsupported) {
  for (unsigned bit = 5; bit < 8; ++bit) {
    Extension extension = sample();
    extension.strategies = static_cast<std::uint8_t>(1u << bit | lookup_in_ram);
    expect_error(extension, block::ErrorKind::unsupported,
                 "dedup strategy bit " + std::to_string(bit) + " is not supported");
  }
}

TEST(Extension, IsEitherRefusedOrKeptByteForByteWhateverItHolds) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto data = encode_extension(sample());
    for (int changes = 0; changes < 3; ++changes)
      data[random() % data.size()] = static_cast<std::byte>(random());
    const auto decoded = decode_extension(data, four_kib);
    if (!decoded.ok()) continue;
    ++accepted;
    if (!decoded->data) std::fill(data.end() - 8, data.end(), std::byte{0}); // means nothing then
    ASSERT_EQ(encode_extension(*decoded), data);
  }
  EXPECT_GT(accepted, 1000);
}

} // namespace
} // namespace qcow2_dedup
