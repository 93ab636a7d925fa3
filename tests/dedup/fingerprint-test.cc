// SHA-256 fingerprints against published answers, in batches and from many threads.
#include "block/dedup/fingerprint.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace dedup {
namespace {

Hasher sha256_hasher() {
  return *Hasher::create(HashAlgorithm::sha256);
}

Fingerprint fingerprint_of(const std::string& content) {
  const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
  Fingerprint out;
  sha256_hasher().fingerprint({&bytes, 1}, content.size(), {&out, 1});
  return out;
}

std::string hex(const Fingerprint& fingerprint) {
  std::string text;
  for (std::byte byte : fingerprint.bytes) {
    constexpr char digits[] = "0123456789abcdef";
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

// FIPS 180-2, appendix B, and the NIST examples for SHA-256.
TEST(Fingerprint, MatchesTheKnownAnswersOfNist) {
  EXPECT_EQ(hex(fingerprint_of("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(fingerprint_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(fingerprint_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(fingerprint_of(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Batches of every length up to three passes, so that both the part that is hashed several at a
// time and the rest that is not are there.
TEST(Fingerprint, OfABatchEqualsTheFingerprintsOneByOne) {
  constexpr std::size_t cluster_bytes = 4096;
  std::vector<std::string> contents;
  std::vector<const std::byte*> clusters;
  for (int i = 0; i < 48; ++i) {
    contents.emplace_back(cluster_bytes, static_cast<char>(i));
    contents.back()[static_cast<std::size_t>(i) * 80] = 'x';
  }
  for (const std::string& content : contents)
    clusters.push_back(reinterpret_cast<const std::byte*>(content.data()));
  for (std::size_t length = 1; length <= clusters.size(); ++length) {
    std::vector<Fingerprint> out(length);
    sha256_hasher().fingerprint(std::span(clusters).first(length), cluster_bytes, out);
    for (std::size_t i = 0; i < length; ++i)
      ASSERT_EQ(out[i], fingerprint_of(contents[i])) << i << " of " << length;
  }
}

TEST(Fingerprint, OfABatchIsRightForEveryClusterSize) {
  constexpr std::size_t count = 17;
  for (std::size_t cluster_bytes = 512; cluster_bytes <= 2u << 20; cluster_bytes *= 2) {
    std::string content(count * cluster_bytes, 0);
    for (std::size_t i = 0; i < content.size(); ++i)
      content[i] = static_cast<char>((i * 31 >> 3) + i / cluster_bytes); // each another one
    std::vector<const std::byte*> clusters;
    for (std::size_t i = 0; i < count; ++i)
      clusters.push_back(reinterpret_cast<const std::byte*>(content.data()) + i * cluster_bytes);
    std::vector<Fingerprint> out(count);
    sha256_hasher().fingerprint(clusters, cluster_bytes, out);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(out[i], fingerprint_of(content.substr(i * cluster_bytes, cluster_bytes)))
          << cluster_bytes;
  }
}

TEST(Fingerprint, IsTheSameFromManyThreadsWithOneHasher) {
  const Hasher hasher = sha256_hasher();
  const std::string content(4096, 'x');
  const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
  std::vector<Fingerprint> results(4);
  std::vector<std::thread> threads;
  for (Fingerprint& result : results)
    threads.emplace_back([&hasher, bytes, &result] {
      for (int i = 0; i < 200; ++i)
        hasher.fingerprint({&bytes, 1}, 4096, {&result, 1});
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const Fingerprint& result : results)
    EXPECT_EQ(result, fingerprint_of(content));
}

TEST(Fingerprint, PrefixesOrderAsTheBytesDo) {
  Fingerprint fingerprint;
  EXPECT_TRUE(fingerprint.is_zero());
  for (std::size_t i = 0; i < 8; ++i)
    fingerprint.bytes[i] = static_cast<std::byte>(i + 1);
  EXPECT_EQ(fingerprint.prefix64(), 0x0102030405060708u);
  EXPECT_EQ(fingerprint.prefix48(), 0x010203040506u);
  EXPECT_FALSE(fingerprint.is_zero());
}

} // namespace
} // namespace dedup
