// SHA-256 of clusters by GnuTLS, by nettle, by a bare loop of the library that takes several at
// once, and by the Hasher, side by side: docs/developer/decisions/hash-library.md.
//
// usage: hash-bench [CLUSTER_BYTES [ROUNDS]]
//
// Each round measures all of them one after the other; the ratio of a round is then free of what
// the machine did meanwhile, and the median round is reported. The last line has the bound that the
// Hasher has to keep; the exit status is 1 if it was missed.
#include "bench/bare-multi-buffer.h"
#include "block/dedup/fingerprint.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <nettle/sha2.h>
#include <nettle/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr std::size_t clusters = 64; // fits the second level cache, as data just received does

// `hash_all` hashes all clusters once.
template <typename HashAll>
double nanoseconds_per_cluster(HashAll hash_all) {
  using Clock = std::chrono::steady_clock;
  constexpr int repeats = 20;
  const auto start = Clock::now();
  for (int repeat = 0; repeat < repeats; ++repeat)
    hash_all();
  const std::chrono::duration<double, std::nano> elapsed = Clock::now() - start;
  return elapsed.count() / (repeats * clusters);
}

void hash_by_gnutls(const unsigned char* data, std::size_t bytes, unsigned char* digest) {
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, bytes, digest) < 0) std::abort();
}

void hash_by_nettle(const unsigned char* data, std::size_t bytes, unsigned char* digest) {
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes, data);
  sha256_digest(&context, 32, digest);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t cluster_bytes = argc > 1 ? std::strtoul(argv[1], nullptr, 0) : 4096;
  const unsigned long rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 0) : 101;
  if (cluster_bytes == 0 || rounds == 0) {
    std::fprintf(stderr, "usage: hash-bench [CLUSTER_BYTES [ROUNDS]]\n");
    return 1;
  }
  std::vector<unsigned char> data(clusters * cluster_bytes);
  for (std::size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<unsigned char>(i * 31 >> 3);

  std::vector<const std::byte*> all;
  for (std::size_t i = 0; i < clusters; ++i)
    all.push_back(reinterpret_cast<const std::byte*>(data.data()) + i * cluster_bytes);
  const dedup::Hasher hasher = *dedup::Hasher::create(dedup::HashAlgorithm::sha256);
  std::vector<dedup::Fingerprint> fingerprints(clusters);
  unsigned char digest[32];
  const auto one_by_one = [&](auto hash) {
    for (std::size_t i = 0; i < clusters; ++i)
      hash(data.data() + i * cluster_bytes, cluster_bytes, digest);
  };

  const auto bare = bench::BareMultiBuffer::create();
  std::vector<double> gnutls_times, nettle_times, hasher_times, nettle_ratios, hasher_ratios;
  std::vector<double> bare_times, speeds_to_bare;
  for (unsigned long round = 0; round < rounds; ++round) {
    gnutls_times.push_back(nanoseconds_per_cluster([&] { one_by_one(hash_by_gnutls); }));
    nettle_times.push_back(nanoseconds_per_cluster([&] { one_by_one(hash_by_nettle); }));
    hasher_times.push_back(
        nanoseconds_per_cluster([&] { hasher.fingerprint(all, cluster_bytes, fingerprints); }));
    if (bare) {
      bare_times.push_back(
          nanoseconds_per_cluster([&] { bare->hash(all, cluster_bytes, fingerprints); }));
      speeds_to_bare.push_back(bare_times.back() / hasher_times.back());
    }
    nettle_ratios.push_back(nettle_times.back() / gnutls_times.back());
    hasher_ratios.push_back(hasher_times.back() / gnutls_times.back());
  }
  const auto report = [&](const std::string& name, const std::vector<double>& times) {
    const double time = median(times);
    std::printf("%-16s %8.0f ns  %5.2f GiB/s\n", name.c_str(), time,
                static_cast<double>(cluster_bytes) / time * 1e9 / (1 << 30));
  };
  std::printf("SHA-256 of %zu bytes, median of %lu rounds\n", cluster_bytes, rounds);
  report(std::string("GnuTLS ") + gnutls_check_version(nullptr), gnutls_times);
  report("nettle " + std::to_string(nettle_version_major()) + "." +
             std::to_string(nettle_version_minor()),
         nettle_times);
  if (bare) report("bare loop", bare_times);
  report("Hasher", hasher_times);
  std::printf("nettle / GnuTLS  %.3f\n", median(nettle_ratios));
  std::printf("Hasher / GnuTLS  %.3f\n", median(hasher_ratios));

  std::printf("Hasher with the other algorithms\n");
  using enum dedup::HashAlgorithm;
  for (dedup::HashAlgorithm algorithm : {sha3_256, skein_256, blake2b_256, xxh3_128}) {
    const auto other = dedup::Hasher::create(algorithm);
    if (!other) continue; // not in this build
    std::vector<double> times;
    for (unsigned long round = 0; round < rounds; ++round)
      times.push_back(
          nanoseconds_per_cluster([&] { other->fingerprint(all, cluster_bytes, fingerprints); }));
    report(dedup::name_of(algorithm), times);
  }
  if (!bare) return 0; // the processor or the build has no such library
  const double speed = median(speeds_to_bare);
  std::printf("%-80s %7.3f   >= 0.9   %s\n",
              "speed of the Hasher, to a bare loop of the same library", speed,
              speed >= 0.9 ? "ok" : "MISSED");
  return speed >= 0.9 ? 0 : 1;
}
