// SHA-256 of clusters by GnuTLS and by nettle, side by side: docs/decisions/hash-library.md.
//
// usage: hash-bench [CLUSTER_BYTES [ROUNDS]]
//
// Each round measures both libraries one after the other; the ratio of a round is then free of what
// the machine did meanwhile, and the median round is reported.
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <nettle/sha2.h>
#include <nettle/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr std::size_t clusters = 64; // fits the second level cache, as data just received does

template <typename Hash>
double nanoseconds_per_cluster(const std::vector<unsigned char>& data, std::size_t cluster_bytes,
                               Hash hash) {
  using Clock = std::chrono::steady_clock;
  constexpr int repeats = 20;
  unsigned char digest[32];
  const auto start = Clock::now();
  for (int repeat = 0; repeat < repeats; ++repeat)
    for (std::size_t i = 0; i < clusters; ++i)
      hash(data.data() + i * cluster_bytes, cluster_bytes, digest);
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

  std::vector<double> gnutls_times, nettle_times, ratios;
  for (unsigned long round = 0; round < rounds; ++round) {
    gnutls_times.push_back(nanoseconds_per_cluster(data, cluster_bytes, hash_by_gnutls));
    nettle_times.push_back(nanoseconds_per_cluster(data, cluster_bytes, hash_by_nettle));
    ratios.push_back(nettle_times.back() / gnutls_times.back());
  }
  const auto gib_per_second = [&](double nanoseconds) {
    return static_cast<double>(cluster_bytes) / nanoseconds * 1e9 / (1 << 30);
  };
  std::printf("SHA-256 of %zu bytes, median of %lu rounds\n", cluster_bytes, rounds);
  std::printf("GnuTLS %-8s %8.0f ns  %5.2f GiB/s\n", gnutls_check_version(nullptr),
              median(gnutls_times), gib_per_second(median(gnutls_times)));
  std::printf("nettle %d.%-6d %8.0f ns  %5.2f GiB/s\n", nettle_version_major(),
              nettle_version_minor(), median(nettle_times), gib_per_second(median(nettle_times)));
  std::printf("nettle / GnuTLS  %.3f\n", median(ratios));
}
