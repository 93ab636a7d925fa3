// A hash library that fails: no fingerprint is better than a wrong one, and the next try may
// succeed.
//
// This program defines the function of libbotan that makes hash objects; the linker prefers it to
// the library's own.
#include "block/dedup/fingerprint.h"

#include <botan/hash.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>

namespace {

enum class Fault { none, in_create, in_update, in_final };
std::atomic<Fault> fault{Fault::none};

// "Hashes" by adding bytes up, which shows what an object has taken in.
class Sum final : public Botan::HashFunction {
public:
  std::size_t output_length() const override { return 32; }
  std::string name() const override { return "Sum"; }
  void clear() override { sum_ = 0; }
  HashFunction* clone() const override { return new Sum; }
  std::unique_ptr<HashFunction> copy_state() const override { return std::make_unique<Sum>(*this); }

private:
  void add_data(const std::uint8_t input[], std::size_t length) override {
    for (std::size_t i = 0; i < length; ++i)
      sum_ = static_cast<std::uint8_t>(sum_ + input[i]);
    if (fault == Fault::in_update) throw std::bad_alloc();
  }
  void final_result(std::uint8_t out[]) override {
    std::fill_n(out, 32, sum_);
    if (fault == Fault::in_final) throw std::runtime_error("broken");
    sum_ = 0;
  }

  std::uint8_t sum_ = 0;
};

} // namespace

std::unique_ptr<Botan::HashFunction> Botan::HashFunction::create(const std::string&,
                                                                 const std::string&) {
  if (fault == Fault::in_create) throw std::bad_alloc();
  return std::make_unique<Sum>();
}

namespace dedup {
namespace {

class HashFailure : public testing::Test {
protected:
  // The fingerprints of two clusters with the bytes 1 and 2.
  std::pair<Fingerprint, Fingerprint> hash(Fault with) {
    fault = with;
    const std::byte contents[] = {std::byte{1}, std::byte{2}};
    const std::byte* clusters[] = {&contents[0], &contents[1]};
    Fingerprint out[2];
    out[0].bytes.fill(std::byte{0xEE});
    hasher.fingerprint(clusters, 1, out);
    return {out[0], out[1]};
  }
  static std::pair<Fingerprint, Fingerprint> right() {
    std::pair<Fingerprint, Fingerprint> sums;
    sums.first.bytes.fill(std::byte{1});
    sums.second.bytes.fill(std::byte{2});
    return sums;
  }

  const std::pair<Fingerprint, Fingerprint> none;
  const Hasher hasher = *Hasher::create(HashAlgorithm::skein_256);
};

TEST_F(HashFailure, GivesNoFingerprint) {
  EXPECT_EQ(hash(Fault::in_create), none); // first: an object that is there is used again
  EXPECT_EQ(hash(Fault::in_update), none);
  EXPECT_EQ(hash(Fault::in_final), none);
}

TEST_F(HashFailure, DoesNotSpoilWhatIsHashedNext) {
  EXPECT_EQ(hash(Fault::none), right());
  for (Fault each : {Fault::in_update, Fault::in_final}) {
    EXPECT_EQ(hash(each), none);
    EXPECT_EQ(hash(Fault::none), right());
  }
}

} // namespace
} // namespace dedup
