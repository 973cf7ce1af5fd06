#include "server/host_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "server/account_commands.h"
#include "server/accounts/account_store.h"
#include "server/accounts/token.h"
#include "server/tls/certificates.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class HostCommandsTest : public ::testing::Test {
 protected:
  std::optional<int> Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunHostCommand(arguments, out_, err_);
  }

  const TemporaryFolder folder_;
  std::ostringstream out_, err_;
};

TEST_F(HostCommandsTest, LeaveEverythingElseToTheServer) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{}, {"--help"}, {"--listen", "dev-cert"}, {"dev"}}) {
    EXPECT_EQ(Run(arguments), std::nullopt);
  }
}

TEST_F(HostCommandsTest, DevCertMakesWhatTheServerTakes) {
  const std::string certs = folder_ / "certs";
  ASSERT_EQ(Run({"dev-cert", certs, "train.example.org"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("--tls-cert " + certs + "/server.pem --tls-key " + certs + "/server-key.pem"));
  const auto read = ReadTls({.cert = certs + "/server.pem", .key = certs + "/server-key.pem"}, absl::Now());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->names.back(), "train.example.org");
  EXPECT_EQ(Run({"dev-cert", certs}), 1) << "they are there";
  EXPECT_THAT(err_.str(), HasSubstr("is there already"));
}

class AccountCommandsTest : public HostCommandsTest {
 protected:
  // With the data folder of the test.
  std::optional<int> RunOn(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--data-dir", data_});
    return Run(arguments);
  }
  std::string Secret() const { return std::string(absl::StripAsciiWhitespace(out_.str())); }
  absl::StatusOr<User> Authenticate(const std::string& token) {
    return (*AccountStore::Open(data_ + "/traind.db"))->Authenticate(token);
  }

  const std::string data_ = folder_ / "data";
};

TEST_F(AccountCommandsTest, TheFirstUserIsAnAdministrator) {
  EXPECT_EQ(RunOn({"token", "create", "ada"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--role admin"));
  EXPECT_EQ(RunOn({"token", "create", "ada", "--role", "user"}), 1);
  ASSERT_EQ(RunOn({"token", "create", "ada", "--role", "admin"}), 0) << err_.str();
  EXPECT_EQ(Authenticate(Secret())->role, v1::ROLE_ADMIN);
  EXPECT_THAT(err_.str(), HasSubstr("from now on"));
  ASSERT_EQ(RunOn({"token", "create", "bob"}), 0) << err_.str();
  EXPECT_EQ(Authenticate(Secret())->role, v1::ROLE_USER);
}

TEST_F(AccountCommandsTest, ATokenIsListedWithoutItsSecretAndRevoked) {
  ASSERT_EQ(RunOn({"token", "create", "ada", "--role", "admin", "--description", "lap\ttop"}), 0);
  const std::string secret = Secret();
  const std::string id = TokenIdOf(HashOf(secret));
  EXPECT_THAT(err_.str(), AllOf(HasSubstr(id), Not(HasSubstr(secret))));
  ASSERT_EQ(RunOn({"token", "list"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr(id), HasSubstr("valid"), HasSubstr("lap\\ttop"), Not(HasSubstr(secret))));
  ASSERT_EQ(RunOn({"token", "revoke", id}), 0) << err_.str();
  EXPECT_FALSE(Authenticate(secret).ok());
  ASSERT_EQ(RunOn({"token", "list", "ada"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("revoked"));
  EXPECT_EQ(RunOn({"token", "revoke", "tok-none"}), 1);
}

TEST_F(AccountCommandsTest, ASecretThatDidNotArriveIsAnError) {
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(RunHostCommand({"token", "create", "ada", "--role", "admin", "--data-dir", data_}, out_, err_), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write to the standard output"));
  EXPECT_EQ(RunHostCommand({"token", "--help"}, out_, err_), 1);
}

TEST_F(AccountCommandsTest, RolesChange) {
  ASSERT_EQ(RunOn({"token", "create", "ada", "--role", "admin"}), 0);
  EXPECT_EQ(RunOn({"user", "set", "ada", "--role", "none"}), 1) << "the last administrator";
  ASSERT_EQ(RunOn({"user", "set", "bob", "--role", "viewer"}), 0) << err_.str();
  ASSERT_EQ(RunOn({"user", "list"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("ada"), HasSubstr("admin"), HasSubstr("bob"), HasSubstr("viewer")));
  EXPECT_EQ(RunOn({"user", "set", "bob", "--role", "king"}), 2);
  EXPECT_EQ(RunOn({"user", "set", "bob"}), 2);
  ASSERT_EQ(RunOn({"user", "set", "bob", "--quota", "threads=4,streams=none", "--weight", "3"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("viewer"), HasSubstr("weight 3"), HasSubstr("threads=4,streams=none")));
  EXPECT_EQ(RunOn({"user", "set", "bob", "--quota", "cores=4"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("requests_per_second")) << "names the quotas there are";
  EXPECT_EQ(RunOn({"user", "set", "bob", "--weight", "0"}), 2);
}

TEST_F(AccountCommandsTest, ABackupHasTheUsers) {
  ASSERT_EQ(RunOn({"token", "create", "ada", "--role", "admin"}), 0) << err_.str();
  const std::string token = Secret();
  ASSERT_EQ(RunOn({"backup", folder_ / "backup"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("0 jobs"));
  ASSERT_EQ(Run({"backup", "--verify", folder_ / "backup"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("is whole"));
  ASSERT_EQ(Run({"restore", folder_ / "backup", "--data-dir", folder_ / "restored"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("revoke again"));
  EXPECT_EQ((*AccountStore::Open(folder_ / "restored/traind.db"))->Authenticate(token)->name, "ada");
}

TEST(Lifetime, IsInDaysOrHours) {
  EXPECT_EQ(ParseLifetime("90d"), absl::Hours(90 * 24));
  EXPECT_EQ(ParseLifetime("1h"), absl::Hours(1));
  EXPECT_EQ(ParseLifetime("never"), absl::InfiniteDuration());
  for (const char* text : {"", "d", "90", "-1d", "0d", "1.5d", "36501d", "1w", "90 days", "nan"}) {
    EXPECT_EQ(ParseLifetime(text), std::nullopt) << text;
  }
}

TEST_F(HostCommandsTest, ExplainThemselves) {
  EXPECT_EQ(Run({"dev-cert", "--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("trainctl --server"));
  EXPECT_EQ(Run({"backup", "--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("traind restore"));
  EXPECT_EQ(Run({"restore", folder_ / "backup"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--data-dir is required"));
  EXPECT_EQ(Run({"dev-cert"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("DIR is required"));
  EXPECT_EQ(Run({"dev-cert", folder_ / "a", "--nonsense"}), 2);
}

}  // namespace
}  // namespace traind::server
