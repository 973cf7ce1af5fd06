#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ParsedConfig Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "traind");
  return ParseConfig(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Config, HasDefaultsThatWork) {
  ParsedConfig parsed = Parse({});
  EXPECT_FALSE(parsed.exit);
  EXPECT_EQ(parsed.config.listen, "127.0.0.1:50051");
  EXPECT_EQ(parsed.config.max_restarts, 3u);
  EXPECT_THAT(parsed.config.dataset_roots, ElementsAre("/usr/share/datasets"));
  ASSERT_TRUE(CompleteConfig(parsed.config).ok());
  EXPECT_GE(parsed.config.threads, 1u);
  EXPECT_GT(parsed.config.memory_limit, 0);
}

TEST(Config, TakesFlags) {
  ParsedConfig parsed = Parse({"--listen", "127.0.0.1:0", "--dataset-root", "/a", "--dataset-root", "/b",
                               "--memory-limit", "2GiB", "--heartbeat-timeout", "1.5", "--threads", "3"});
  EXPECT_FALSE(parsed.exit) << parsed.output;
  EXPECT_EQ(parsed.config.listen, "127.0.0.1:0");
  EXPECT_THAT(parsed.config.dataset_roots, ElementsAre("/a", "/b"));
  EXPECT_EQ(parsed.config.memory_limit, int64_t{2} << 30);
  EXPECT_EQ(parsed.config.heartbeat_timeout, absl::Milliseconds(1500));
  EXPECT_EQ(parsed.config.threads, 3u);
}

TEST(Config, QuotasAddUp) {
  Config config = Parse({"--quota", "threads=4,streams=20", "--quota", "dataset_bytes=2GiB,streams=30"}).config;
  ASSERT_TRUE(CompleteConfig(config).ok());
  EXPECT_EQ(config.quota.threads(), 4);
  EXPECT_EQ(config.quota.streams(), 30) << "the last one counts";
  EXPECT_EQ(config.quota.dataset_bytes(), int64_t{2} << 30);
  config = Parse({"--quota", "cores=4"}).config;
  const absl::Status status = CompleteConfig(config);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--quota cores=4: there is no quota \"cores\""));
}

TEST(Config, TakesRulesOfRetention) {
  Config config = Parse({"--retain", "failed=30d,100", "--retain=models=5 trash=1d", "--retain-plan"}).config;
  EXPECT_THAT(config.retain, ElementsAre("failed=30d,100", "models=5 trash=1d"));
  EXPECT_TRUE(config.retain_plan);
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.retain = {"failed=soon"};
  EXPECT_THAT(CompleteConfig(config).message(), HasSubstr("--retain failed=soon: wants"));
}

TEST(Config, TrustsProxiesByAddress) {
  Config config = Parse({"--trusted-proxy", "10.0.0.7", "--trusted-proxy=fd00::/8"}).config;
  EXPECT_THAT(config.trusted_proxies, ElementsAre("10.0.0.7", "fd00::/8"));
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.trusted_proxies.push_back("haproxy");
  EXPECT_THAT(CompleteConfig(config).message(), HasSubstr("--trusted-proxy: \"haproxy\" is no address"));
}

TEST(Config, GivesAJobNoMoreThreadsThanThereAre) {
  Config config = Parse({"--threads", "6", "--default-threads", "2"}).config;
  ASSERT_TRUE(CompleteConfig(config).ok());
  EXPECT_EQ(config.default_threads, 2u);
  config.default_threads = 7;
  const absl::Status status = CompleteConfig(config);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--default-threads 7"));
}

TEST(Config, BoundsConnectionsAndWatchers) {
  const Config config = Parse({"--max-connections", "5", "--max-watchers", "7"}).config;
  EXPECT_EQ(config.limits.max_connections, 5);
  EXPECT_EQ(config.limits.max_watchers, 7);
  for (const char* flag : {"--max-connections", "--max-watchers"}) EXPECT_EQ(Parse({flag, "0"}).exit_code, 2) << flag;
}

TEST(Config, FlagsWinOverTheEnvironmentAndThatOverTheFile) {
  TemporaryFolder folder;
  const std::string file = folder.path() + "/traind.toml";
  std::ofstream(file) << "threads = 5\nmax-restarts = 6\nlog-level = \"debug\"\n";
  setenv("TRAIND_MAX_RESTARTS", "7", 1);
  setenv("TRAIND_LOG_LEVEL", "warning", 1);
  ParsedConfig parsed = Parse({"--config", file.c_str(), "--log-level", "error"});
  unsetenv("TRAIND_MAX_RESTARTS");
  unsetenv("TRAIND_LOG_LEVEL");
  ASSERT_FALSE(parsed.exit) << parsed.output;
  EXPECT_EQ(parsed.config.threads, 5u);
  EXPECT_EQ(parsed.config.max_restarts, 7u);
  EXPECT_EQ(parsed.config.log_level, "error");
}

TEST(Config, ExplainsMistakes) {
  for (const std::vector<const char*>& arguments :
       std::vector<std::vector<const char*>>{{"--no-such-flag"},
                                             {"--threads", "x"},
                                             {"--log-format", "xml"},
                                             {"--config", "/no/such/file"},
                                             {"--max-evaluations", "0"},
                                             {"--memory-limit", "8 bananas"},
                                             {"surplus"}}) {
    ParsedConfig parsed = Parse(arguments);
    EXPECT_TRUE(parsed.exit) << arguments[0];
    EXPECT_EQ(parsed.exit_code, 2) << arguments[0];
    EXPECT_FALSE(parsed.output.empty()) << arguments[0];
  }
}

TEST(Config, RefusesUnknownNamesInTheFile) {
  TemporaryFolder folder;
  const std::string file = folder.path() + "/traind.toml";
  std::ofstream(file) << "data-dirr = \"elsewhere\"\n";
  ParsedConfig parsed = Parse({"--config", file.c_str()});
  EXPECT_TRUE(parsed.exit);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.output, HasSubstr("data-dirr"));
}

TEST(Config, RequiresTheSandboxWhenToldSo) {
  EXPECT_FALSE(Parse({}).config.require_sandbox);
  EXPECT_TRUE(Parse({"--require-sandbox"}).config.require_sandbox);
}

TEST(Config, HelpAndVersionEndWell) {
  ParsedConfig help = Parse({"--help"});
  EXPECT_TRUE(help.exit);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, HasSubstr("--dataset-root"));
  EXPECT_THAT(help.output, HasSubstr("TRAIND_DATA_DIR"));
  ParsedConfig version = Parse({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr("traind 0"));
}

TEST(Config, KnowsLoopbackAddresses) {
  for (const char* address : {"127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "unix:/tmp/x"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address : {"0.0.0.0:1", "[::]:1", "127.evil.example:1", "127.0.0.1.example:1", "10.0.0.1:1", ":1",
                              "localhost.example:1", "127.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

TEST(Config, RefusesOtherAddressesUnlessToldSo) {
  Config config;
  config.listen = "0.0.0.0:50051";
  const absl::Status status = CompleteConfig(config);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--insecure"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--tls-cert"));
  config.insecure = true;
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.insecure = false;
  config.tls = {.cert = "cert.pem", .key = "key.pem"};
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.listen = "50051";
  EXPECT_TRUE(absl::IsInvalidArgument(CompleteConfig(config)));
}

TEST(Config, TakesTheFilesOfTlsTogether) {
  Config config = Parse({"--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"}).config;
  EXPECT_EQ(config.tls.cert, "c");
  EXPECT_EQ(config.tls.key, "k");
  EXPECT_EQ(config.tls.client_ca, "a");
  config.tls.key = "";
  EXPECT_EQ(CompleteConfig(config).message(), "--tls-cert needs --tls-key");
}

TEST(Config, BrowsersComeByTheSameRules) {
  const ParsedConfig parsed = Parse({"--http-listen", "0.0.0.0:8080", "--http-name", "a.example", "--http-name", "b"});
  EXPECT_FALSE(parsed.exit) << parsed.output;
  EXPECT_THAT(parsed.config.http_names, ElementsAre("a.example", "b"));
  Config config = parsed.config;
  const absl::Status status = CompleteConfig(config);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--http-listen 0.0.0.0:8080 can be reached"));
  config.tls = {.cert = "c.pem", .key = "k.pem"};
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.tls = {};
  config.insecure = true;
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.insecure = false;
  config.http_listen = "127.0.0.1:0";
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.http_listen = "";
  EXPECT_TRUE(absl::IsInvalidArgument(CompleteConfig(config))) << "a name of nothing";
}

TEST(Config, TheMetricsPortIsOfThisMachineToo) {
  const ParsedConfig parsed = Parse({"--metrics-listen", "127.0.0.1:9464", "--audit-log", "/var/log/traind/audit.log"});
  EXPECT_EQ(parsed.config.metrics_listen, "127.0.0.1:9464");
  EXPECT_EQ(parsed.config.audit_log, "/var/log/traind/audit.log");
  EXPECT_EQ(Parse({"--tensorboard-dir", "runs"}).config.tensorboard_dir, "runs");
  Config config = parsed.config;
  EXPECT_TRUE(CompleteConfig(config).ok());
  config.metrics_listen = "0.0.0.0:9464";
  const absl::Status status = CompleteConfig(config);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--metrics-listen 0.0.0.0:9464 can be reached"));
  config.metrics_insecure = true;
  EXPECT_TRUE(CompleteConfig(config).ok());
}

// What a program is told for each number, wherever it comes from.
TEST(Config, NumbersAreCheckedInOneWay) {
  for (const auto& [flag, variable] :
       std::vector<std::pair<std::string, const char*>>{{"--threads", "TRAIND_THREADS"},
                                                        {"--default-threads", "TRAIND_DEFAULT_THREADS"},
                                                        {"--max-restarts", "TRAIND_MAX_RESTARTS"},
                                                        {"--heartbeat-timeout", "TRAIND_HEARTBEAT_TIMEOUT"},
                                                        {"--max-evaluations", "TRAIND_MAX_EVALUATIONS"},
                                                        {"--max-connections", "TRAIND_MAX_CONNECTIONS"},
                                                        {"--max-watchers", "TRAIND_MAX_WATCHERS"}}) {
    for (const char* value : {"x", "-1", "nan", "inf", "99999999999999999999", "1e300", "0x", "\xff\xfe"}) {
      const ParsedConfig by_flag = Parse({flag.c_str(), value});
      EXPECT_EQ(by_flag.exit_code, 2) << flag << " " << value;
      EXPECT_THAT(by_flag.output, HasSubstr(absl::StrCat(flag, ": wants a "))) << value;
      EXPECT_THAT(by_flag.output, HasSubstr(absl::StrCat("not \"", value, "\""))) << value;
      setenv(variable, value, 1);
      const ParsedConfig by_variable = Parse({});
      unsetenv(variable);
      EXPECT_EQ(by_variable.exit_code, 2) << variable << " " << value;
      EXPECT_THAT(by_variable.output, HasSubstr(absl::StrCat(variable, ": wants a "))) << value;
    }
  }
  setenv("TRAIND_THREADS", "1.5", 1);
  const ParsedConfig half = Parse({});
  unsetenv("TRAIND_THREADS");
  EXPECT_EQ(half.exit_code, 2);
  EXPECT_THAT(half.output, HasSubstr("TRAIND_THREADS: wants a whole number from 0 to 4096, not \"1.5\""));
}

TEST(Config, AConfigurationFileIsAFile) {
  TemporaryFolder folder;
  const std::string large = folder.path() + "/large";
  std::ofstream(large) << std::string(2 << 20, '#');
  for (const std::string& path : {folder.path(), std::string("/dev/zero"), std::string("/dev/null"), large}) {
    for (const std::string& argument : {absl::StrCat("--config=", path), path}) {
      std::vector<const char*> arguments = {argument.c_str()};
      if (argument == path) arguments.insert(arguments.begin(), "--config");
      const ParsedConfig parsed = Parse(arguments);
      EXPECT_EQ(parsed.exit_code, 2) << argument;
      EXPECT_THAT(parsed.output, HasSubstr("--config: " + path));
    }
  }
  const std::string binary = folder.path() + "/binary";
  std::ofstream(binary) << std::string("\0\xff\x01[[[=\n\0", 10);
  EXPECT_EQ(Parse({"--config", binary.c_str()}).exit_code, 2);
}

}  // namespace
}  // namespace traind::server
