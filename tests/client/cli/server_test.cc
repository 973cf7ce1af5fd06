// The server as people see it: `trainctl server`, `logs`, `--version`, and what the exit code says of an error.
#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "client/cli/terminal.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"
#include "traind/version.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ServerCommandsTest : public AppTest {
 protected:
  ServerCommandsTest() {
    server_.server.info = [this](v1::ServerInfo* info) {
      *info = info_;
      return grpc::Status::OK;
    };
  }
  // The exit code of `get a` when the server answers so.
  int CodeOf(const grpc::Status& answer) {
    server_.training.get_job = [answer](const v1::GetJobRequest&, v1::Job*) { return answer; };
    return Run({"--timeout", "5", "get", "a"});
  }

  v1::ServerInfo info_ = FromText<v1::ServerInfo>(R"(
    version: "9.8.7" ready: true uptime { seconds: 3900 } log_level: LOG_LEVEL_WARNING
    capacity { threads: 8 threads_in_use: 3 memory_bytes: 8000000000 memory_in_use_bytes: 1000000000 default_threads: 2 }
    queue { job_counts { state: JOB_STATE_QUEUED jobs: 2 } job_counts { state: JOB_STATE_FAILED jobs: 1 }
            operations_running: 1 watchers: 5 }
    disk { total_bytes: 100000000000 free_bytes: 40000000000 reserve_bytes: 16000000 reserve_held_bytes: 1000000 }
    sandbox { active: "seccomp" missing: "landlock: this kernel has none" })");
};

TEST_F(ServerCommandsTest, ServerShowsWhatItIsAndHas) {
  EXPECT_EQ(Run({"server"}), 0) << err_.str();
  for (const char* line :
       {"traind 9.8.7 (trainctl ", "ready         yes\n", "up for        1h05m\n",
        "3 of 8 in use; a job that names none gets 2", "1.00 GB of 8.00 GB in use", "2 queued, 1 failed\n",
        "0 queued, 1 running\n", "watchers      5\n", "of the reserve of 16.0 MB there are 1.00 MB",
        "log level     warning\n", "seccomp; missing: landlock: this kernel has none\n"}) {
    EXPECT_THAT(out_.str(), HasSubstr(line));
  }
  info_.set_ready(false);
  info_.set_not_ready_reason("the disk is full");
  EXPECT_EQ(Run({"server"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("ready         no: the disk is full\n"));
  EXPECT_EQ(Run({"server", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["capacity"]["threads_in_use"], 3);
}

TEST_F(ServerCommandsTest, LogLevelIsSet) {
  v1::LogLevel set = v1::LOG_LEVEL_UNSPECIFIED;
  server_.server.set_log_level = [&](const v1::SetLogLevelRequest& request, v1::ServerInfo*) {
    set = request.level();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"server", "log-level", "debug"}), 0) << err_.str();
  EXPECT_EQ(set, v1::LOG_LEVEL_DEBUG);
  EXPECT_EQ(Run({"server", "log-level", "loud"}), 2);
}

TEST_F(ServerCommandsTest, StorageIsShownByOwnerAndKind) {
  const auto storage = FromText<v1::Storage>(R"pb(
    uses { owner: "ada" kind: STORAGE_KIND_EVENTS count: 4512 bytes: 3000000 }
    uses { owner: "ada" kind: STORAGE_KIND_CHECKPOINTS count: 3 bytes: 2000000 }
    uses { kind: STORAGE_KIND_DATABASE count: 1 bytes: 5000000 }
    free_bytes: 40000000000
    total_bytes: 100000000000
    rules: "failed=30d"
    rules: "trash=7d"
    incomplete: true
    planned { name: "jobs/old" kind: STORAGE_KIND_JOBS bytes: 1000000 reason: "ended 31 days ago (failed=30d)" }
    planned_count: 1
    planned_bytes: 1000000)pb");
  bool plan = false;
  server_.server.storage = [&](const v1::GetStorageRequest& request, v1::Storage* response) {
    plan = request.plan();
    *response = storage;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"storage"}), 0) << err_.str();
  EXPECT_FALSE(plan);
  for (const char* text : {"ada", "checkpoints", "4,512", "3.00 MB", "7.00 MB; the events are in the database",
                           "40.0 GB of 100.0 GB", "failed=30d trash=7d\n"}) {
    EXPECT_THAT(out_.str(), HasSubstr(text));
  }
  EXPECT_THAT(err_.str(), HasSubstr("no time to count everything"));
  EXPECT_EQ(Run({"storage", "--plan"}), 0) << err_.str();
  EXPECT_TRUE(plan);
  EXPECT_THAT(out_.str(), HasSubstr("ended 31 days ago (failed=30d)"));
  EXPECT_EQ(Run({"-q", "storage", "--plan"}), 0);
  EXPECT_EQ(out_.str(), "jobs/old\n");
}

TEST_F(ServerCommandsTest, PinSaysThatAJobStays) {
  v1::UpdateJobRequest pinned;
  server_.training.update_job = [&](const v1::UpdateJobRequest& request, v1::Job*) {
    pinned = request;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"pin", "mine"}), 0) << err_.str();
  EXPECT_EQ(pinned.job().name(), "jobs/mine");
  EXPECT_TRUE(pinned.job().pinned());
  EXPECT_THAT(pinned.update_mask().paths(), ElementsAre("pinned"));
  EXPECT_EQ(Run({"unpin", "mine"}), 0) << err_.str();
  EXPECT_FALSE(pinned.job().pinned());
}

TEST_F(ServerCommandsTest, VersionIsThatOfBoth) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(out_.str(), std::string("trainctl ") + kVersion + "\ntraind 9.8.7 at " + server_.address() + "\n");
  server_.server.info = nullptr;  // UNIMPLEMENTED, as of a server that does not know the method.
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("is older than 0.3"));
}

TEST_F(ServerCommandsTest, VersionNeedsNoServer) {
  std::ostringstream out, err;
  EXPECT_EQ(RunTrainctl({"--server", "unix:/nobody/listens/here", "--version"}, {.out = out, .err = err}), 0);
  EXPECT_EQ(out.str(), std::string("trainctl ") + kVersion + "\n");
  EXPECT_THAT(err.str(), HasSubstr("no traind server answers"));
}

TEST_F(ServerCommandsTest, TheExitCodeSaysTheKindOfAnError) {
  using grpc::StatusCode;
  EXPECT_EQ(CodeOf({StatusCode::NOT_FOUND, "there is no jobs/a"}), 3);
  for (const StatusCode refused : {StatusCode::FAILED_PRECONDITION, StatusCode::ABORTED, StatusCode::RESOURCE_EXHAUSTED,
                                   StatusCode::INVALID_ARGUMENT, StatusCode::PERMISSION_DENIED,
                                   StatusCode::UNAUTHENTICATED, StatusCode::ALREADY_EXISTS, StatusCode::OUT_OF_RANGE}) {
    EXPECT_EQ(CodeOf({refused, "no"}), 4) << refused;
  }
  EXPECT_EQ(CodeOf({StatusCode::INTERNAL, "a fault"}), 1);
  EXPECT_EQ(CodeOf({StatusCode::DEADLINE_EXCEEDED, "late"}), 5);
}

// That a server is there and says no is another thing than that nobody is there.
TEST_F(ServerCommandsTest, AServerThatIsUnavailableIsNotOneThatDoesNotAnswer) {
  server_.training.get_job = [](const v1::GetJobRequest&, v1::Job*) { return UnavailableFor(absl::Seconds(120)); };
  EXPECT_EQ(Run({"--timeout", "5", "get", "a"}), 4);
  EXPECT_EQ(err_.str(), "error: the server restarts; try again in 2m\n");
  EXPECT_EQ(CodeOf(Unavailable()), 5);
  EXPECT_THAT(err_.str(), HasSubstr("no traind server answers at "));
  std::ostringstream out, err;
  EXPECT_EQ(RunTrainctl({"--server", "unix:/nobody/listens/here", "list"}, {.out = out, .err = err}), 5);
  EXPECT_THAT(err.str(), HasSubstr("no traind server answers at unix:/nobody/listens/here"));
}

TEST_F(ServerCommandsTest, LogsAreWhatAJobSaid) {
  v1::WatchJobRequest asked;
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    job->set_uid("u");
    return grpc::Status::OK;
  };
  server_.training.watch_job = [&](const v1::WatchJobRequest& request,
                                   grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    asked = request;
    writer->Write(FromText<v1::WatchJobResponse>(R"(
      events { sequence: 1 state { state: JOB_STATE_RUNNING } }
      events { sequence: 4 step: 12 log { level: LEVEL_WARNING text: "the loss\tgrows\x1b[2J" } }
      events { sequence: 5 step: 12 log { level: LEVEL_INFO text: "fits the preprocessing" } }
      events { sequence: 9 step: 20 state { state: JOB_STATE_FAILED error { message: "killed by signal 11"
               last_log_lines: "Segmentation fault" } } })"));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"logs", "a"}), 0) << err_.str();
  EXPECT_TRUE(asked.until_now());
  EXPECT_THAT(asked.kinds(), ElementsAre(v1::EVENT_KIND_LOG));
  for (const char* text :
       {"  step 0        RUNNING\n", "  step 12       WARNING: the loss", "  step 12       fits the pre",
        "  step 20       FAILED: killed by signal 11\n", "  step 20       | Segmentation fault\n"}) {
    EXPECT_THAT(out_.str(), HasSubstr(text));
  }
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b"))) << "what a worker says does not steer the terminal";
  EXPECT_EQ(Run({"logs", "a", "-f"}), 0);
  EXPECT_FALSE(asked.until_now());
}

TEST_F(ServerCommandsTest, ListsAreWatchedOnATerminalOnly) {
  EXPECT_EQ(Run({"list", "--watch"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("trainctl watch JOB --json"));
}

TEST(Terminal, ADumbOneIsKnown) {
  const char* before = std::getenv("TERM");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TERM", "dumb", 1);
  EXPECT_TRUE(IsDumbTerminal());
  setenv("TERM", "xterm", 1);
  EXPECT_FALSE(IsDumbTerminal());
  unsetenv("TERM");
  EXPECT_FALSE(IsDumbTerminal());
  if (before != nullptr) setenv("TERM", kept.c_str(), 1);
}

}  // namespace
}  // namespace traind::client
