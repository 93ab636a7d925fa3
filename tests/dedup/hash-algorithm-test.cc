// Every hash algorithm: its number and name, published answers, batches, threads. Algorithms that
// the build lacks must be refused by name instead.
#include "block/dedup/fingerprint.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace dedup {
namespace {

std::string hex(const Fingerprint& fingerprint) {
  std::string text;
  for (std::byte byte : fingerprint.bytes) {
    constexpr char digits[] = "0123456789abcdef";
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

// The buffer of xxHash's own tests: cli/xsum_sanity_check.c.
std::string xxhash_test_buffer(std::size_t bytes) {
  std::string buffer;
  for (std::uint64_t number = 2654435761u; buffer.size() < bytes; number *= 0x9E3779B185EBCA8Du)
    buffer += static_cast<char>(number >> 56);
  return buffer;
}

struct KnownAnswer {
  std::string content;
  std::string hash; // hex
};

struct Case {
  HashAlgorithm number;
  const char* name;
  std::vector<KnownAnswer> answers;
};

const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
const std::string million(1'000'000, 'a');

const Case cases[] = {
    // NIST: examples for FIPS 180, appendix B.
    {HashAlgorithm::sha256,
     "sha256",
     {{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}}},
    // NIST: example values for FIPS 202.
    {HashAlgorithm::sha3_256,
     "sha3-256",
     {{"", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"},
      {"abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
      {two_blocks, "41c0dba2a9d6240849100376a8235e2c82e1b9998a999e21db32dd97496d3376"},
      {million, "5c8875ae474a3634ba4fd55ec85bffd661f32aca75c6d699d0cdcb6c115891c1"}}},
    // Skein 1.3, its submission to NIST: ShortMsgKAT_256.txt, lengths of 0, 8, 24 and 624 bits.
    {HashAlgorithm::skein_256,
     "skein",
     {{"", "39ccc4554a8b31853b9de7a1fe638a24cce6b35a55f2431009e18780335d2621"},
      {from_hex("cc"), "a018268ed814e0ad0f2d0304e8fe3f4118fcefc07454d07123cc2c3e40e06a4f"},
      {from_hex("1f877c"), "ae5520f519d56cb15f15be222b46548bf967397f353d40b109732f066f6396dc"},
      {from_hex("d4654be288b9f3b711c2d02015978a8cc57471d5680a092aa534f7372c71ceaab725a383c4fcf4d8de"
                "aa57fca3ce056f312961eccf9b86f14981ba5bed6ab5b4498e1f6c82c6cae6fc14845b3c8a"),
       "1ee4600134eb024596bde2cbefa4fc7a28c4c5ed755c8ac56fe610f2abb189c0"}}},
    // RFC 7693 prints no answer for 256 bits. All four are what GNU b2sum -l 256 (coreutils 9.1)
    // and
    // Python's hashlib (3.11) print alike; both have code of BLAKE2's authors, Botan has its own.
    {HashAlgorithm::blake2b_256,
     "blake2b-256",
     {{"", "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
      {"abc", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"},
      {two_blocks, "5f7a93da9c5621583f22e49e8e91a40cbba37536622235a380f434b9f68e49c4"},
      {million, "0741850f36cba4259628355d1073e24ddb9ca0e1bfac36fd39ae5dc2101e23a4"}}},
    // xxHash's own tests, cli/xsum_sanity_check.c, seed 0; in the byte order of xxhsum -H2.
    {HashAlgorithm::xxh3_128,
     "xxh3-128",
     {{"", "99aa06d3014798d86001c324468d497f00000000000000000000000000000000"},
      {xxhash_test_buffer(1), "a6cd5e9392000f6ac44bdff4074eecdb00000000000000000000000000000000"},
      {xxhash_test_buffer(403), "1b6de21e332dd73dcdeb804d65c6dea400000000000000000000000000000000"},
      {xxhash_test_buffer(512), "18d2d110dcc9bca1617e49599013cb6b00000000000000000000000000000000"},
      {xxhash_test_buffer(2048),
       "f736557fd47073a5dd59e2c3a5f038e000000000000000000000000000000000"}}},
};

class EveryHashAlgorithm : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    block::Result<Hasher> made = Hasher::create(GetParam().number);
    if (!made) {
      EXPECT_EQ(made.error().kind(), block::ErrorKind::unsupported);
      EXPECT_EQ(made.error().message().find(std::string("hash ") + GetParam().name +
                                            " is not supported by this build, made without "),
                0u)
          << made.error().message();
      GTEST_SKIP() << made.error().message();
    }
    hasher = *made;
  }

  Fingerprint fingerprint_of(const std::string& content) const {
    const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
    Fingerprint out;
    hasher->fingerprint({&bytes, 1}, content.size(), {&out, 1});
    return out;
  }

  std::optional<Hasher> hasher;
};

TEST_P(EveryHashAlgorithm, MatchesThePublishedAnswers) {
  for (const KnownAnswer& answer : GetParam().answers)
    EXPECT_EQ(hex(fingerprint_of(answer.content)), answer.hash) << answer.content.size();
}

TEST_P(EveryHashAlgorithm, GivesInABatchWhatItGivesOneByOne) {
  for (std::size_t cluster_bytes : {512u, 4096u, 65536u, 2u << 20}) {
    constexpr std::size_t count = 19;
    std::string content(count * cluster_bytes, 0);
    for (std::size_t i = 0; i < content.size(); ++i)
      content[i] = static_cast<char>((i * 31 >> 3) + i / cluster_bytes); // each another one
    std::vector<const std::byte*> clusters;
    for (std::size_t i = 0; i < count; ++i)
      clusters.push_back(reinterpret_cast<const std::byte*>(content.data()) + i * cluster_bytes);
    std::vector<Fingerprint> out(count);
    for (Fingerprint& fingerprint : out)
      fingerprint.bytes.fill(std::byte{0xEE}); // what stood there before does not stay
    hasher->fingerprint(clusters, cluster_bytes, out);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(out[i], fingerprint_of(content.substr(i * cluster_bytes, cluster_bytes)))
          << cluster_bytes;
  }
}

TEST_P(EveryHashAlgorithm, ServesManyThreadsAtOnce) {
  const std::string content(4096, 'x'), other(4096, 'y');
  const Fingerprint expected = fingerprint_of(content), expected_other = fingerprint_of(other);
  EXPECT_NE(expected, expected_other);
  const std::byte* clusters[] = {reinterpret_cast<const std::byte*>(content.data()),
                                 reinterpret_cast<const std::byte*>(other.data())};
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& mistakes : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        Fingerprint out[2];
        hasher->fingerprint(clusters, 4096, out);
        mistakes += out[0] != expected || out[1] != expected_other;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST_P(EveryHashAlgorithm, IsConfirmedByComparingBytesOnlyIfItIsXxh3) {
  EXPECT_EQ(hasher->algorithm(), GetParam().number);
  EXPECT_EQ(hasher->collides(), GetParam().number == HashAlgorithm::xxh3_128);
}

INSTANTIATE_TEST_SUITE_P(Fingerprint, EveryHashAlgorithm, testing::ValuesIn(cases),
                         [](const auto& parameter) {
                           std::string name = parameter.param.name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(HashAlgorithm, HasTheNumbersOfTheFormat) {
  for (const auto& [number, name] : {std::pair{0, "sha256"},
                                     {1, "sha3-256"},
                                     {2, "skein"},
                                     {16, "blake2b-256"},
                                     {16, "blake2b"},
                                     {17, "xxh3-128"}}) {
    const auto algorithm = algorithm_named(name);
    ASSERT_TRUE(algorithm.ok()) << name;
    EXPECT_EQ(static_cast<int>(*algorithm), number) << name;
    EXPECT_TRUE(is_known(*algorithm)) << name;
  }
  EXPECT_EQ(name_of(HashAlgorithm::blake2b_256), "blake2b-256");
}

TEST(HashAlgorithm, OfAnUnknownNameIsRefusedWithTheKnownOnes) {
  for (const char* name : {"md5", "", "SHA256", "sha"}) {
    const auto algorithm = algorithm_named(name);
    ASSERT_FALSE(algorithm.ok()) << name;
    EXPECT_EQ(algorithm.error().kind(), block::ErrorKind::invalid_argument);
    EXPECT_EQ(algorithm.error().message(), "unknown hash algorithm '" + std::string(name) + "'");
    EXPECT_EQ(algorithm.error().hint(),
              "Known are sha256, sha3-256, skein, blake2b-256, xxh3-128.");
  }
}

TEST(HashAlgorithm, CarriesUnknownNumbersUntilSomebodyRefusesThem) {
  const auto unknown = static_cast<HashAlgorithm>(200);
  EXPECT_FALSE(is_known(unknown));
  EXPECT_EQ(name_of(unknown), "algorithm 200");
  const auto hasher = Hasher::create(unknown);
  ASSERT_FALSE(hasher.ok());
  EXPECT_EQ(hasher.error().kind(), block::ErrorKind::unsupported);
  EXPECT_EQ(hasher.error().message(), "hash algorithm 200 is not supported");
}

} // namespace
} // namespace dedup
