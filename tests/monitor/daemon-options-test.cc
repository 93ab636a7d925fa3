// The daemon's command line.
#include "monitor/daemon-options.h"

#include <gtest/gtest.h>

namespace monitor {
namespace {

TEST(DaemonOptions, ValuesFollowOrAreJoinedWithAnEqualsSign) {
  auto options = parse_daemon_options({"daemon", "--blockdev", "driver=raw,node-name=a",
                                       "--blockdev=driver=raw,node-name=b", "--daemonize"});
  ASSERT_TRUE(options.ok()) << options.error().message();
  ASSERT_EQ(options->configuration.blockdevs().size(), 2u);
  EXPECT_EQ(options->configuration.blockdevs()[1].value.entries().at("node-name"), "b");
  EXPECT_TRUE(options->daemonize);
  EXPECT_FALSE(options->show_version);
}

TEST(DaemonOptions, BytesThatAreNotUtf8AreTakenAsTheyAre) {
  auto options = parse_daemon_options({"daemon", "--module", "\xff\xfe.so"});
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(options->configuration.modules()[0].value, "\xff\xfe.so");
}

TEST(DaemonOptions, AnErrorIsThatOfTheOption) {
  auto options = parse_daemon_options({"daemon", "--object", "secret,id=x"});
  ASSERT_FALSE(options.ok());
  EXPECT_TRUE(options.error().message().starts_with("--object secret,id=x: "));
}

TEST(DaemonOptions, UnknownOptionsMissingValuesAndStrayWordsAreRefused) {
  EXPECT_FALSE(parse_daemon_options({"daemon", "--nonsense"}).ok());
  EXPECT_FALSE(parse_daemon_options({"daemon", "--blockdev"}).ok());
  EXPECT_FALSE(parse_daemon_options({"daemon", "word"}).ok());
}

TEST(DaemonOptions, VersionHasAShortForm) {
  EXPECT_TRUE(parse_daemon_options({"daemon", "-V"})->show_version);
  EXPECT_TRUE(parse_daemon_options({"daemon", "--version"})->show_version);
}

} // namespace
} // namespace monitor
