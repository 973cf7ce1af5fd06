#include "client/cli/server_contexts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <map>
#include <string>

#include "tests/client/cli/app_fixture.h"
#include "tests/support/certificates.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ServerContextsTest : public ::testing::Test {
 protected:
  ServerContextsTest() {
    variables_["XDG_CONFIG_HOME"] = folder_.path();
    const ServerContexts contexts{
        .current = "home",
        .by_name = {{"home", {.server = "home:1", .files = {.tls_ca = "home-ca", .token_file = "home-token"}}},
                    {"lab", {.server = "lab:1", .files = {.tls = true}}}}};
    EXPECT_TRUE(WriteContexts(Path(), contexts).ok());
  }
  GetVariable Variables() {
    return [this](const char* name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? nullptr : found->second.c_str();
    };
  }
  std::string Path() { return *ContextsPath(Variables()); }
  absl::StatusOr<ChosenServer> Choose(const ServerFlags& flags = {}) { return ChooseServer(flags, Variables()); }

  const TemporaryFolder folder_;
  std::map<std::string, std::string> variables_;
};

TEST_F(ServerContextsTest, StandWhereXdgSays) {
  const auto path = [](std::map<std::string, std::string> variables) {
    return ContextsPath([&](const char* name) { return variables.count(name) ? variables[name].c_str() : nullptr; });
  };
  EXPECT_EQ(*path({{"XDG_CONFIG_HOME", "/x"}, {"HOME", "/h"}}), "/x/traind/contexts.json");
  EXPECT_EQ(*path({{"XDG_CONFIG_HOME", "relative"}, {"HOME", "/h"}}), "/h/.config/traind/contexts.json");
  EXPECT_EQ(*path({{"XDG_CONFIG_HOME", ""}, {"HOME", "/h"}}), "/h/.config/traind/contexts.json");
  EXPECT_FALSE(path({}).ok());
}

TEST_F(ServerContextsTest, AreReadAsTheyWereWrittenAndForTheirOwnerOnly) {
  const ServerContexts contexts{
      .current = "a",
      .by_name = {{"a",
                   {.server = "a:1",
                    .files = {.tls = true, .tls_ca = "1", .tls_cert = "2", .tls_key = "3", .token_file = "4"}}},
                  {"b", {.server = "b:\"1\"", .files = {}}}}};
  ASSERT_TRUE(WriteContexts(Path(), contexts).ok());
  EXPECT_EQ(*ReadContexts(Path()), contexts);
  struct stat info = {};
  ASSERT_EQ(stat(Path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((folder_ / "traind").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(*ReadContexts(folder_ / "none"), ServerContexts());
}

TEST_F(ServerContextsTest, AFileThatIsNoneIsNamed) {
  for (const char* text : {"", "{", "[]", "{\"contexts\": 1}", "{\"contexts\": {\"a\": {}}}",
                           "{\"contexts\": {\"a\": {\"server\": 1}}}", "{\"contexts\": {}, \"current\": 1}"}) {
    WriteBytes(Path(), text);
    const auto read = ReadContexts(Path());
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << text;
    EXPECT_THAT(std::string(read.status().message()), AllOf(HasSubstr(Path()), HasSubstr("--server"))) << text;
  }
  EXPECT_FALSE(Choose().ok());
  EXPECT_TRUE(Choose({.server = "s:1"}).ok()) << "a named server needs no context";
}

TEST_F(ServerContextsTest, FlagsWinOverTheEnvironmentAndThatOverTheCurrentOne) {
  EXPECT_EQ(Choose()->server, "home:1");
  variables_["TRAIND_CONTEXT"] = "lab";
  EXPECT_EQ(Choose()->server, "lab:1");
  EXPECT_EQ(Choose({.context = "home"})->server, "home:1");
  EXPECT_EQ(Choose({.server = "flag:1"})->server, "flag:1");
  variables_["TRAIND_SERVER"] = "variable:1";
  EXPECT_THAT(std::string(Choose().status().message()), HasSubstr("TRAIND_SERVER and TRAIND_CONTEXT"));
  EXPECT_EQ(Choose({.context = "home"})->server, "home:1");
  variables_.erase("TRAIND_CONTEXT");
  EXPECT_EQ(Choose()->server, "variable:1");
  EXPECT_TRUE(absl::IsInvalidArgument(Choose({.server = "s:1", .context = "home"}).status()));
  EXPECT_THAT(std::string(Choose({.context = "hom"}).status().message()),
              AllOf(HasSubstr("no context \"hom\""), HasSubstr("home")));
  variables_.clear();
  EXPECT_EQ(Choose()->server, "127.0.0.1:50051");
}

TEST_F(ServerContextsTest, CredentialsNeverGoToAnotherServer) {
  variables_["TRAIND_TOKEN_FILE"] = "variable-token";
  variables_["TRAIND_TLS_CA"] = "variable-ca";
  EXPECT_EQ(Choose()->files, (CredentialFiles{.tls_ca = "home-ca", .token_file = "home-token"}));
  EXPECT_EQ(Choose({.context = "lab"})->files, (CredentialFiles{.tls = true}));
  EXPECT_EQ(Choose({.server = "s:1"})->files,
            (CredentialFiles{.tls_ca = "variable-ca", .token_file = "variable-token"}));
  EXPECT_EQ(Choose({.context = "lab", .files = {.token_file = "flag-token"}})->files,
            (CredentialFiles{.tls = true, .token_file = "flag-token"}));
  variables_.erase("TRAIND_TOKEN_FILE");
  variables_.erase("TRAIND_TLS_CA");
  EXPECT_EQ(Choose({.server = "s:1"})->files, CredentialFiles()) << "not those of the current context";
  for (const auto& [value, on] : {std::pair{"1", true}, {"true", true}, {"0", false}, {"false", false}, {"", false}}) {
    variables_["TRAIND_TLS"] = value;
    EXPECT_EQ(Choose({.server = "s:1"})->files.tls, on) << value;
  }
}

TEST_F(ServerContextsTest, NamesAreSafeAsNamesOfFiles) {
  for (const char* name : {"a", "lab-1", "A_b.c"}) EXPECT_TRUE(CheckContextName(name).ok()) << name;
  for (const std::string& name : {std::string(), std::string("."), std::string("../x"), std::string("a/b"),
                                  std::string("a b"), std::string(65, 'a'), std::string("a\n")}) {
    EXPECT_FALSE(CheckContextName(name).ok()) << name;
  }
}

// The commands, with a folder of their own for the contexts.
class ContextCommandsTest : public AppTest {
 protected:
  ContextCommandsTest() {
    setenv("XDG_CONFIG_HOME", (folder_ / "config").c_str(), 1);
    for (const char* name : {"TRAIND_SERVER", "TRAIND_CONTEXT", "TRAIND_TOKEN_FILE"}) unsetenv(name);
    server_.training.list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
      response->add_jobs()->set_name("jobs/a");
      return grpc::Status::OK;
    };
  }
  ~ContextCommandsTest() override { unsetenv("XDG_CONFIG_HOME"); }
  int RunBare(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunTrainctl(arguments, {.out = out_, .err = err_});
  }
};

TEST_F(ContextCommandsTest, AddUseListRemove) {
  EXPECT_EQ(RunBare({"context", "list"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("no contexts"));
  EXPECT_EQ(RunBare({"context", "add", "here", "--server", server_.address()}), 0) << err_.str();
  EXPECT_EQ(RunBare({"context", "add", "there", "--server", "127.0.0.1:1"}), 0) << err_.str();
  EXPECT_EQ(RunBare({"-q", "list"}), 0) << "the first one is in use: " << err_.str();
  EXPECT_EQ(out_.str(), "a\n");
  EXPECT_EQ(RunBare({"-q", "context", "list"}), 0);
  EXPECT_EQ(out_.str(), "here\nthere\n");
  EXPECT_EQ(RunBare({"context", "use", "there"}), 0);
  EXPECT_EQ(RunBare({"-q", "--context", "here", "list"}), 0) << err_.str();
  EXPECT_EQ(RunBare({"context", "list"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("*  there"));
  EXPECT_EQ(RunBare({"context", "remove", "there"}), 0);
  EXPECT_EQ(RunBare({"context", "use", "there"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("there is no context there"));
  EXPECT_EQ(RunBare({"context", "remove", "there"}), 1);
  EXPECT_EQ(RunBare({"--context", "there", "list"}), 1);
  EXPECT_EQ(RunBare({"context", "add", "x"}), 2) << "no server";
  EXPECT_EQ(RunBare({"context", "add", "../x", "--server", "s:1"}), 1);
}

TEST_F(ContextCommandsTest, FilesAreCheckedWhenTheyAreAddedAndWhenTheyAreUsed) {
  EXPECT_EQ(RunBare({"context", "add", "a", "--server", "s:1", "--token-file", folder_ / "none"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("token-file"));
  WriteBytes(folder_ / "token", "secret-token");
  chmod((folder_ / "token").c_str(), 0600);
  EXPECT_EQ(RunBare({"context", "add", "a", "--server", server_.address(), "--token-file", folder_ / "token"}), 0);
  EXPECT_THAT(ReadBytes(folder_ / "config/traind/contexts.json"), Not(HasSubstr("secret-token")));
  EXPECT_EQ(RunBare({"list"}), 0) << err_.str();
  std::filesystem::remove(folder_ / "token");
  EXPECT_EQ(RunBare({"list"}), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("context a: token-file"), HasSubstr(folder_ / "token")));
}

TEST_F(ContextCommandsTest, HealthAsksTheServer) {
  EXPECT_EQ(RunBare({"--server", "127.0.0.1:1", "health"}), 5);
  EXPECT_THAT(err_.str(), HasSubstr("no traind server answers"));
}

}  // namespace
}  // namespace traind::client
