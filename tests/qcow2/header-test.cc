// The header: what is kept as it is, what is refused, and that hostile bytes do no harm.
#include "block/qcow2/header.h"

#include "block/endian.h"
#include "tests/support/nodes.h"

#include <random>

namespace qcow2 {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

class HeaderTest : public testing::Test {
protected:
  HeaderTest() {
    header.cluster_bits = 12;
    header.guest_size = 1 << 20;
    header.l1_entries = 1;
    header.l1_offset = HostOffset(0x3000);
    header.refcount_table_offset = HostOffset(0x1000);
    header.refcount_table_clusters = 1;
  }
  std::vector<std::byte> encoded() const { return header.encode().value(); }
  // An image that decodes; a failed expectation and nothing in it if not.
  static Header decoded(const std::vector<std::byte>& bytes) {
    Result<Header> found = decode_header(bytes);
    EXPECT_TRUE(succeeded(found));
    return found ? *found : Header();
  }
  // The header with a field of so many bytes changed.
  Result<Header> decode_with(std::size_t offset, std::size_t width, std::uint64_t value) const {
    std::vector<std::byte> bytes = encoded();
    for (std::size_t i = 0; i < width; ++i)
      bytes.at(offset + i) = static_cast<std::byte>(value >> 8 * (width - 1 - i));
    return decode_header(bytes);
  }

  Header header;
};

TEST_F(HeaderTest, DecodesWhatItEncoded) {
  header.cluster_bits = 11;
  header.guest_size = 1 << 19;
  header.incompatible_features =
      bit(incompatible::dirty_bit) | bit(incompatible::compression_type_bit) | bit(63);
  header.compatible_features = bit(compatible::lazy_refcounts_bit);
  header.autoclear_features = bit(62);
  header.refcount_order = 6;
  header.compression_type = 1;
  header.backing_file = "base.qcow2";
  header.additional_fields = bytes_of("12345678");
  header.set_extension(extension::backing_format, bytes_of("qcow2"));
  header.set_extension(0x12345678, bytes_of("thirteen byte"));
  Header found = decoded(encoded());
  EXPECT_EQ(found.cluster_bits, 11u);
  EXPECT_EQ(found.guest_size, 1u << 19);
  EXPECT_EQ(found.l1_entries, 1u);
  EXPECT_EQ(found.l1_offset, header.l1_offset);
  EXPECT_EQ(found.refcount_table_offset, header.refcount_table_offset);
  EXPECT_EQ(found.refcount_table_clusters, 1u);
  EXPECT_TRUE(found.dirty());
  EXPECT_FALSE(found.corrupt());
  EXPECT_TRUE(found.lazy_refcounts());
  EXPECT_EQ(found.incompatible_features, header.incompatible_features);
  EXPECT_EQ(found.autoclear_features, bit(62));
  EXPECT_EQ(found.refcount_bits(), 64u);
  EXPECT_EQ(found.max_refcount(), UINT64_MAX);
  EXPECT_EQ(found.compression_type, 1u);
  EXPECT_EQ(found.backing_file, "base.qcow2");
  EXPECT_EQ(found.backing_format(), "qcow2");
  EXPECT_EQ(found.additional_fields, header.additional_fields);
  ASSERT_EQ(found.extensions.size(), 2u);
  EXPECT_EQ(found.extensions[1].type, 0x12345678u);
  EXPECT_EQ(found.extensions[1].data, bytes_of("thirteen byte"));
  EXPECT_EQ(found.encode().value(), encoded());
}

TEST_F(HeaderTest, ExtensionsOfEveryLengthAreKeptByteForByteInTheirOrder) {
  for (std::uint32_t length = 0; length <= 17; ++length)
    header.extensions.push_back({1000 + length, bytes_of(block::pattern(length, length + 1))});
  header.extensions.push_back({1000, bytes_of("a second one of that type")});
  Header found = decoded(encoded());
  ASSERT_EQ(found.extensions.size(), header.extensions.size());
  for (std::size_t i = 0; i < found.extensions.size(); ++i) {
    EXPECT_EQ(found.extensions[i].type, header.extensions[i].type);
    EXPECT_EQ(found.extensions[i].data, header.extensions[i].data);
  }
}

TEST_F(HeaderTest, AnExtensionIsReplacedInItsPlace) {
  for (std::uint32_t type : {7, 8, 9})
    header.set_extension(type, bytes_of("old"));
  header.set_extension(8, bytes_of("new one"));
  ASSERT_EQ(header.extensions.size(), 3u);
  EXPECT_EQ(header.extensions[1].data, bytes_of("new one"));
  EXPECT_EQ(header.find_extension(10), nullptr);
}

TEST_F(HeaderTest, WhatDoesNotFitIntoOneClusterIsRefused) {
  header.set_extension(7, std::vector<std::byte>(4096 - 112 - 16));
  EXPECT_TRUE(succeeded(header.encode()));
  header.set_extension(7, std::vector<std::byte>(4096 - 112 - 16 + 1));
  EXPECT_EQ(kind_of(header.encode()), ErrorKind::no_space);
}

// A program that puts more room, or bytes of its own, between the parts.
TEST_F(HeaderTest, AFieldChangesWithoutMovingWhatAnotherProgramLaidOut) {
  header.backing_file = "base";
  header.set_extension(0x12345678, bytes_of("other"));
  std::vector<std::byte> stored = encoded();
  stored[112 + 8 + 5] = std::byte{0x77}; // padding of the extension
  std::size_t name = block::load_big_endian<std::uint64_t>(&stored[8]);
  std::copy_n(stored.begin() + static_cast<std::ptrdiff_t>(name), 4, stored.begin() + 3000);
  block::store_big_endian<std::uint64_t>(&stored[8], 3000);
  stored[2000] = std::byte{0x88}; // after the end of the extensions
  Header changed = decoded(stored);
  ASSERT_EQ(changed.backing_file, "base");
  changed.autoclear_features = bit(63);
  changed.set_extension(0x12345678, bytes_of("OTHER"));
  std::vector<std::byte> expected = stored;
  expected[88] = std::byte{0x80};
  std::copy_n(bytes_of("OTHER").begin(), 5, expected.begin() + 112 + 8);
  EXPECT_EQ(changed.encode_over(stored).value(), expected);
}

TEST_F(HeaderTest, WhatLiesBehindANewLayoutStays) {
  header.backing_file = "base";
  header.set_extension(0x12345678, std::vector<std::byte>(500));
  std::vector<std::byte> stored = encoded();
  ASSERT_GT(block::load_big_endian<std::uint64_t>(&stored[8]), 512u);
  Header shorter = header;
  shorter.set_extension(0x12345678, bytes_of("short"));
  std::vector<std::byte> bytes = shorter.encode_over(stored).value();
  EXPECT_EQ(decoded(bytes).backing_file, "base");
  EXPECT_TRUE(std::equal(bytes.begin() + 512, bytes.end(), stored.begin() + 512, stored.end()));
  std::copy_n(stored.begin(), 512, bytes.begin()); // a power cut
  EXPECT_EQ(decoded(bytes).backing_file, "base");
}

TEST_F(HeaderTest, AnotherShapeIsLaidOutAnew) {
  header.set_extension(0x12345678, bytes_of("other"));
  std::vector<std::byte> stored = encoded();
  Header longer = header;
  longer.set_extension(0x12345678, bytes_of("others"));
  EXPECT_EQ(longer.encode_over(stored).value(), longer.encode().value());
  Header more = header;
  more.set_extension(8, bytes_of("more"));
  EXPECT_EQ(more.encode_over(stored).value(), more.encode().value());
  Header backed = header;
  backed.backing_file = "base";
  EXPECT_EQ(backed.encode_over(stored).value(), backed.encode().value());
  std::vector<std::byte> garbage(4096, std::byte{0xEE});
  EXPECT_EQ(header.encode_over(garbage).value(), header.encode().value());
}

TEST_F(HeaderTest, FeaturesAreNamedByTheImageAndByNumberWithoutAName) {
  const std::vector<FeatureName> names = {
      {FeatureKind::incompatible, 63, "deduplication"},
      {FeatureKind::autoclear, 63, "another"},
      {FeatureKind::compatible, 5, std::string(46, 'n')}, // as long as a name may be
  };
  header.set_extension(extension::feature_names, encode_feature_names(names));
  Header found = decoded(encoded());
  EXPECT_EQ(found.feature_name(FeatureKind::incompatible, 63), "deduplication");
  EXPECT_EQ(found.feature_name(FeatureKind::autoclear, 63), "another");
  EXPECT_EQ(found.feature_name(FeatureKind::compatible, 5), std::string(46, 'n'));
  EXPECT_EQ(found.feature_name(FeatureKind::compatible, 63), "unknown feature bit 63");
}

TEST_F(HeaderTest, AFeatureTableMayBeCutOffOrHoldUnknownKinds) {
  const std::vector<FeatureName> names = {{FeatureKind::compatible, 1, "one"},
                                          {FeatureKind::compatible, 2, "two"}};
  std::vector<std::byte> data = encode_feature_names(names);
  EXPECT_EQ(data.size(), 96u);
  data[0] = std::byte{3}; // no kind of feature
  ASSERT_EQ(decode_feature_names(data).size(), 1u);
  EXPECT_EQ(decode_feature_names(data)[0].name, "two");
  data.pop_back();
  EXPECT_TRUE(decode_feature_names(data).empty());
}

TEST_F(HeaderTest, UnknownIncompatibleFeaturesAreRefusedByTheNamesTheImageGives) {
  const std::vector<FeatureName> names = {{FeatureKind::incompatible, 40, "levitating clusters"}};
  header.set_extension(extension::feature_names, encode_feature_names(names));
  header.incompatible_features = bit(40) | bit(41) | bit(incompatible::dirty_bit);
  EXPECT_EQ(message_of(check_supported(header, 0)),
            "Unsupported qcow2 feature(s): levitating clusters, unknown feature bit 41");
  EXPECT_EQ(message_of(check_supported(header, bit(40))),
            "Unsupported qcow2 feature(s): unknown feature bit 41");
  EXPECT_TRUE(succeeded(check_supported(header, bit(40) | bit(41))));
}

TEST_F(HeaderTest, SnapshotsEncryptionAndDataFilesAreRefusedByName) {
  Header with_snapshots = header;
  with_snapshots.snapshot_count = 1;
  EXPECT_EQ(message_of(check_supported(with_snapshots, 0)),
            "Internal snapshots are not supported yet");
  Header encrypted = header;
  encrypted.crypt_method = 2;
  EXPECT_EQ(message_of(check_supported(encrypted, 0)), "Encrypted images are not supported yet");
  Header split = header;
  split.incompatible_features = bit(incompatible::external_data_bit);
  EXPECT_EQ(message_of(check_supported(split, 0)), "External data files are not supported yet");
  Header extended = header;
  extended.incompatible_features = bit(incompatible::extended_l2_bit);
  EXPECT_EQ(message_of(check_supported(extended, 0)), "Extended L2 entries are not supported yet");
  Header raw = header;
  raw.autoclear_features = bit(autoclear::raw_external_data_bit);
  EXPECT_EQ(kind_of(check_supported(raw, 0)), ErrorKind::corrupt);
}

TEST_F(HeaderTest, EveryFieldOutOfItsRangeIsRefused) {
  struct Damage {
    const char* what;
    std::size_t offset, width;
    std::uint64_t value;
    ErrorKind kind;
  };
  const Damage damages[] = {
      {"magic", 0, 4, 0, ErrorKind::invalid_argument},
      {"version 2", 4, 4, 2, ErrorKind::unsupported},
      {"version 4", 4, 4, 4, ErrorKind::unsupported},
      {"small clusters", 20, 4, 8, ErrorKind::corrupt},
      {"large clusters", 20, 4, 22, ErrorKind::corrupt},
      {"clusters of 2^4294967295 bytes", 20, 4, UINT32_MAX, ErrorKind::corrupt},
      {"a disk larger than its L1 table", 24, 8, (2u << 20) + 1, ErrorKind::corrupt},
      {"a disk of 2^64 bytes", 24, 8, UINT64_MAX, ErrorKind::corrupt},
      {"an L1 table of more than 32 MiB", 36, 4, (4u << 20) + 1, ErrorKind::corrupt},
      {"an unaligned L1 table", 40, 8, 0x3200, ErrorKind::corrupt},
      {"an L1 table beyond 2^56", 40, 8, bit(56), ErrorKind::corrupt},
      {"an unaligned refcount table", 48, 8, 0x1001, ErrorKind::corrupt},
      {"a refcount table beyond 2^56", 48, 8, bit(63), ErrorKind::corrupt},
      {"no refcount table", 56, 4, 0, ErrorKind::corrupt},
      {"a refcount table of more than 8 MiB", 56, 4, (8u << 20) / 4096 + 1, ErrorKind::corrupt},
      {"refcounts of 128 bits", 96, 4, 7, ErrorKind::corrupt},
      {"an unaligned snapshot table", 64, 8, 0x200, ErrorKind::corrupt},
      {"a snapshot table beyond 2^63", 64, 8, bit(63), ErrorKind::corrupt},
      {"too many snapshots", 60, 4, 65537, ErrorKind::corrupt},
      {"the compression type's bit with zlib", 72, 8, bit(3), ErrorKind::corrupt},
      {"zstd without the compression type's bit", 104, 1, 1, ErrorKind::corrupt},
      {"an unknown compression type", 104, 1, 2, ErrorKind::unsupported},
      {"a short header", 100, 4, 96, ErrorKind::corrupt},
      {"a header longer than its cluster", 100, 4, 4097, ErrorKind::corrupt},
  };
  for (const Damage& damage : damages) {
    Result<Header> refused = decode_with(damage.offset, damage.width, damage.value);
    EXPECT_EQ(kind_of(refused), damage.kind) << damage.what;
    EXPECT_FALSE(message_of(refused).empty());
  }
}

TEST_F(HeaderTest, TheLargestAllowedTablesAreAccepted) {
  EXPECT_TRUE(succeeded(decode_with(24, 8, 2u << 20))); // what one L2 table maps
  EXPECT_TRUE(succeeded(decode_with(36, 4, 4u << 20)));
  EXPECT_TRUE(succeeded(decode_with(56, 4, (8u << 20) / 4096)));
}

TEST_F(HeaderTest, ABackingFileNameMustLieInTheHeaderAndBeText) {
  header.backing_file = "base";
  std::vector<std::byte> good = encoded();
  auto with = [&](std::uint64_t offset, std::uint32_t length) {
    std::vector<std::byte> bytes = good;
    block::store_big_endian(&bytes[8], offset);
    block::store_big_endian(&bytes[16], length);
    return decode_header(bytes);
  };
  EXPECT_EQ(message_of(with(4097, 4)), "Invalid backing file offset");
  EXPECT_EQ(message_of(with(UINT64_MAX, 4)), "Invalid backing file offset");
  EXPECT_EQ(message_of(with(4096, 1)), "Backing file name too long");
  EXPECT_EQ(message_of(with(1000, 1024)), "Backing file name too long");
  EXPECT_EQ(message_of(with(1000, UINT32_MAX)), "Backing file name too long");
  EXPECT_EQ(message_of(with(1000, 4)), "Backing file name contains a zero byte");
}

TEST_F(HeaderTest, AnExtensionThatIsLongerThanItsRoomIsRefused) {
  header.set_extension(7, bytes_of("12345678"));
  EXPECT_EQ(message_of(decode_with(112 + 4, 4, 4096 - 112 - 8 + 1)), "Header extension too large");
  EXPECT_EQ(message_of(decode_with(112 + 4, 4, UINT32_MAX)), "Header extension too large");
  EXPECT_TRUE(succeeded(decode_with(112 + 4, 4, 4096 - 112 - 8)));
  header.backing_file = "base"; // extensions end where it begins
  EXPECT_EQ(message_of(decode_with(112 + 4, 4, 4096 - 112 - 8)), "Header extension too large");
}

TEST_F(HeaderTest, AnExtensionWithoutRoomForItsHeadIsRefused) {
  std::vector<std::byte> bytes = encoded();
  for (std::uint64_t room = 0; room < 8; ++room) {
    block::store_big_endian<std::uint64_t>(&bytes[8], 112 + room); // the backing file name's place
    EXPECT_EQ(message_of(decode_header(bytes)),
              room == 0 ? "(success)" : "Header extension too large");
  }
  // Nor is the end of the list, if it claims to be longer than its room.
  EXPECT_EQ(message_of(decode_with(112 + 4, 4, 4096)), "Header extension too large");
}

TEST_F(HeaderTest, ExtensionsOfTheStandardThatCannotBeAreRefused) {
  auto with = [&](std::uint32_t type, std::vector<std::byte> data) {
    Header changed = header;
    changed.set_extension(type, std::move(data));
    return message_of(decode_header(changed.encode().value()));
  };
  EXPECT_EQ(with(extension::backing_format, bytes_of("fifteen letters")), "(success)");
  EXPECT_EQ(with(extension::backing_format, bytes_of("of sixteen bytes")),
            "Backing file format too long");
  EXPECT_EQ(with(extension::crypto_header, std::vector<std::byte>(16)),
            "Encryption header extension without LUKS encryption");
  EXPECT_EQ(with(extension::bitmaps, std::vector<std::byte>(23)),
            "Bitmaps extension of a wrong length");
  EXPECT_EQ(with(extension::bitmaps, std::vector<std::byte>(24)), "(success)"); // its bit is clear
  header.autoclear_features = bit(autoclear::bitmaps_bit);
  std::vector<std::byte> bitmaps(24);
  EXPECT_EQ(with(extension::bitmaps, bitmaps), "Bitmaps extension invalid"); // none
  bitmaps[3] = std::byte{1};
  EXPECT_EQ(with(extension::bitmaps, bitmaps), "(success)");
  bitmaps[23] = std::byte{8};
  EXPECT_EQ(with(extension::bitmaps, bitmaps), "Bitmaps extension invalid"); // not aligned
}

TEST_F(HeaderTest, OfSeveralBackingFormatsTheLastOneCounts) {
  header.extensions = {{extension::backing_format, bytes_of("raw")},
                       {extension::backing_format, bytes_of("qcow2")}};
  EXPECT_EQ(decoded(encoded()).backing_format(), "qcow2");
}

TEST_F(HeaderTest, CutOffAnywhereItIsRefusedOrKeepsItsFields) {
  header.set_extension(7, bytes_of("12345678"));
  const std::vector<std::byte> whole = encoded();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    // A copy of exactly that size, so that a sanitizer sees every byte read beyond it.
    const std::vector<std::byte> cut(whole.begin(),
                                     whole.begin() + static_cast<std::ptrdiff_t>(length));
    Result<Header> found = decode_header(cut);
    if (length < 112) {
      EXPECT_FALSE(found.ok()) << length;
    } else if (found) {
      EXPECT_EQ(found->guest_size, header.guest_size);
    }
  }
}

TEST_F(HeaderTest, AnyBytesAreRefusedOrCanBeStoredAgain) {
  header.backing_file = "base";
  header.set_extension(7, bytes_of("12345678"));
  header.set_extension(extension::feature_names, encode_feature_names(standard_feature_names()));
  const std::vector<std::byte> good = encoded();
  std::mt19937 random(1);
  unsigned accepted = 0;
  for (unsigned round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes = good;
    for (unsigned change = 0; change <= round % 4; ++change)
      bytes[random() % 600] = static_cast<std::byte>(random());
    Result<Header> found = decode_header(bytes);
    if (!found) continue;
    ++accepted;
    (void)message_of(check_supported(*found, 0));
    (void)message_of(check_l1_place(*found, 1 << 20));
    (void)message_of(check_refcount_table_place(*found, 1 << 20));
    // What nothing changed stays as it is, to the byte.
    Result<std::vector<std::byte>> again = found->encode_over(bytes);
    if (again) {
      bytes.resize(again->size());
      EXPECT_TRUE(*again == bytes) << "round " << round;
    }
  }
  EXPECT_GT(accepted, 1000u);
}

TEST_F(HeaderTest, TablesOutsideTheFileAreRefused) {
  EXPECT_TRUE(succeeded(check_l1_place(header, 0x3008)));
  EXPECT_EQ(message_of(check_l1_place(header, 0x3007)),
            "Active L1 table lies outside the image file");
  EXPECT_TRUE(succeeded(check_refcount_table_place(header, 0x2000)));
  EXPECT_EQ(message_of(check_refcount_table_place(header, 0x1fff)),
            "Reference count table lies outside the image file");
  header.refcount_table_offset = HostOffset(0);
  EXPECT_FALSE(check_refcount_table_place(header, 1 << 20).ok());
}

} // namespace
} // namespace qcow2
