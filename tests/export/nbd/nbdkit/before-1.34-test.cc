// Which nbdkit it is.
#include "block/export/nbd/nbdkit/before-1.34.h"

#include <gtest/gtest.h>

namespace exports {
namespace {

TEST(NbdkitVersion, IsTakenFromTheConfigurationThatNbdkitPrints) {
  auto version = parse_nbdkit_version("name=nbdkit\nversion=1.32.5\nversion_major=1\n"
                                      "version_minor=32\nzstd=yes\n");
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(*version, (NbdkitVersion{1, 32}));
}

TEST(NbdkitVersion, OfSomethingElseIsAnError) {
  EXPECT_FALSE(parse_nbdkit_version("").ok());
  EXPECT_FALSE(parse_nbdkit_version("\nversion_major=one\nversion_minor=2\n").ok());
  EXPECT_FALSE(parse_nbdkit_version("\nversion_major=1\n").ok());
}

TEST(NbdkitVersion, DeadClientsAreSurvivedFrom134On) {
  EXPECT_FALSE(survives_dead_clients({1, 32}));
  EXPECT_FALSE(survives_dead_clients({1, 33}));
  EXPECT_TRUE(survives_dead_clients({1, 34}));
  EXPECT_TRUE(survives_dead_clients({1, 42}));
  EXPECT_TRUE(survives_dead_clients({2, 0}));
}

TEST(NbdkitVersion, ComesFromTheProgramThatIsRun) {
  auto version = nbdkit_version("nbdkit");
  EXPECT_FALSE(version.ok()) << "a bare name is not searched for";
  EXPECT_FALSE(nbdkit_version("/bin/true").ok());
  EXPECT_FALSE(nbdkit_version("/nonexistent").ok());
}

TEST(NbdkitVersion, AnOldOneGetsOneThreadAConnection) {
  EXPECT_EQ(options_against_dead_clients({1, 32}), (std::vector<std::string>{"-t", "1"}));
  EXPECT_TRUE(options_against_dead_clients({1, 34}).empty());
}

} // namespace
} // namespace exports
