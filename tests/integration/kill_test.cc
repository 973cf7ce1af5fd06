// Kills of server and workers at random moments while people pause, resume, stop, extend, fork, cancel and delete jobs:
// what was acknowledged holds, and in the end every job has the bits of one that nobody disturbed.
//
// TRAIND_TEST_KILLS=500 makes it long; TRAIND_TEST_SEED repeats the choices of an earlier run.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

constexpr uint64_t kSteps = 1200;
constexpr int kShortRun = 20;  // Kills of a run of the test suite.
constexpr int kLongRun = 200;  // From here on every verb must have come through.
constexpr int kPeople = 2;
constexpr int kJobsOfEach = 2;

uint32_t FromEnvironment(const char* name, uint32_t otherwise) {
  const char* given = std::getenv(name);
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : otherwise;
}

using States = std::set<v1::JobState>;
using Training = v1::TrainingService::Stub;

// After ResumeJob and ExtendJob. STOPPING: a wish of before, which a crash has put back into the queue.
const States kGoesOn = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_STOPPING, v1::JOB_STATE_SUCCEEDED,
                        v1::JOB_STATE_FAILED};

// One client with jobs of its own, who remembers what the server has promised.
class Person {
 public:
  Person(const ServerProcess* server, const v1::JobSpec& spec, int number, uint32_t seed)
      : server_(server), spec_(spec), prefix_(absl::StrCat("p", number, "-")), random_(seed), jobs_(kJobsOfEach) {}

  // Until `done`, one wish after the other.
  void Live(const std::atomic<bool>& done) {
    while (!done) {
      Job& job = jobs_[random_() % jobs_.size()];
      Check(job);
      Act(job);
      absl::SleepFor(absl::Milliseconds(random_() % 40));
    }
  }

  // Brings each job to its last step, and gives their names.
  std::vector<std::string> Conclude() {
    std::vector<std::string> names;
    for (Job& job : jobs_) {
      if (const std::string name = Conclude(job); !name.empty()) names.push_back(name);
    }
    return names;
  }

  const std::map<std::string, int>& acknowledged() const { return acknowledged_; }

 private:
  // What is known of one job.
  struct Job {
    std::string name = {};      // Empty: there is none.
    bool may_be_there = false;  // False: it is there, or was deleted, for certain.
    bool deleted = false;
    States states = {};                   // In which it may be; empty: in any.
    std::set<uint64_t> total_steps = {};  // That it may have.
  };

  // A call to the server of the moment. Unavailable servers are no fault.
  template <class Request, class Response>
  grpc::Status Call(grpc::Status (Training::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    if (const int endings = server_->endings(); stub_ == nullptr || endings != endings_) {
      stub_ = v1::TrainingService::NewStub(server_->NewChannel());
      endings_ = endings;
    }
    const grpc::Status status = (stub_.get()->*method)(NewContext().get(), request, response);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) stub_.reset();
    return status;
  }

  static bool IsUnknown(const grpc::Status& status) { return status.error_code() == grpc::StatusCode::UNAVAILABLE; }

  // The job as it is, once a server answers.
  grpc::Status Get(const std::string& name, v1::Job* job) {
    v1::GetJobRequest request;
    request.set_name(name);
    grpc::Status status;
    for (const absl::Time deadline = absl::Now() + kPatience; absl::Now() < deadline;) {
      status = Call(&Training::GetJob, request, job);
      if (!IsUnknown(status)) return status;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return status;
  }

  // Whether the server has kept its promises.
  void Check(Job& job) {
    if (job.name.empty()) return;
    v1::Job now;
    const grpc::Status status = Get(job.name, &now);
    const bool there = status.ok();
    EXPECT_TRUE(there || status.error_code() == grpc::StatusCode::NOT_FOUND) << status.error_message();
    if (!job.may_be_there) {
      EXPECT_NE(there, job.deleted) << job.name << (there ? " came back" : " is lost");
    }
    if (!there || job.deleted) {
      job = Job();
      return;
    }
    job.may_be_there = false;
    EXPECT_TRUE(job.states.empty() || job.states.contains(now.state()))
        << job.name << " is " << v1::JobState_Name(now.state()) << ": " << now.state_reason();
    const uint64_t total = now.progress().total_steps();
    EXPECT_TRUE(job.total_steps.contains(total)) << job.name << " has " << total << " steps";
    job.total_steps = {total};
  }

  void Act(Job& job) {
    if (job.name.empty()) return random_() % 2 == 0 ? Create(job) : Fork(job);
    switch (random_() % 12) {
      case 0:
        return Steer(
            job, "cancel", &Training::CancelJob,
            {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED, v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED});
      case 1:
      case 2:
      case 3:
        return Steer(job, "pause", &Training::PauseJob,
                     {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED, v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED});
      case 4:
        // It may be QUEUED and RUNNING for a moment after a crash.
        return Steer(job, "stop", &Training::StopJob,
                     {v1::JOB_STATE_STOPPING, v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED, v1::JOB_STATE_QUEUED,
                      v1::JOB_STATE_RUNNING});
      case 5:
        return Extend(job);
      case 6:
        return Delete(job);
      default:
        return Steer(job, "resume", &Training::ResumeJob, kGoesOn);
    }
  }

  // An answer that names what a request did. Refusals are those of the state and of the checkpoint.
  bool Acknowledged(const char* verb, const grpc::Status& status) {
    if (status.ok()) ++acknowledged_[verb];
    EXPECT_TRUE(status.ok() || IsUnknown(status) || status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
                status.error_code() == grpc::StatusCode::INVALID_ARGUMENT)
        << verb << ": " << status.error_message();
    return status.ok();
  }

  template <class Request>
  void Steer(Job& job, const char* verb,
             grpc::Status (Training::*method)(grpc::ClientContext*, const Request&, v1::Job*), const States& then) {
    Request request;
    request.set_name(job.name);
    v1::Job answer;
    const grpc::Status status = Call(method, request, &answer);
    if (Acknowledged(verb, status)) {
      EXPECT_TRUE(then.contains(answer.state())) << verb << " gives " << v1::JobState_Name(answer.state());
      job.states = then;
    } else if (IsUnknown(status)) {
      job.states.clear();
    }
  }

  void Create(Job& job) {
    v1::CreateJobRequest request;
    *request.mutable_spec() = spec_;
    request.mutable_spec()->set_steps(random_() % 2 == 0 ? kSteps / 2 : kSteps);
    Begin(job, "create", &Training::CreateJob, request, request.spec().steps());
  }

  // Of a job of one's own, from wherever it stands; to its very end, or to the end of its parent.
  void Fork(Job& job) {
    const Job& parent = jobs_[random_() % jobs_.size()];
    if (parent.name.empty() || parent.may_be_there || parent.deleted || parent.total_steps.size() != 1) return;
    v1::ForkJobRequest request;
    request.set_name(parent.name);
    uint64_t steps = *parent.total_steps.begin();
    if (random_() % 2 == 0) {
      steps = kSteps;
      *request.mutable_spec() = spec_;
      request.mutable_spec()->set_steps(steps);
    }
    Begin(job, "fork", &Training::ForkJob, request, steps);
  }

  template <class Request>
  void Begin(Job& job, const char* verb,
             grpc::Status (Training::*method)(grpc::ClientContext*, const Request&, v1::Job*), Request& request,
             uint64_t steps) {
    request.set_job_id(absl::StrCat(prefix_, ++created_));
    v1::Job answer;
    const grpc::Status status = Call(method, request, &answer);
    const bool acknowledged = Acknowledged(verb, status);
    if (!acknowledged && !IsUnknown(status)) return;
    job = {.name = absl::StrCat("jobs/", request.job_id()), .may_be_there = !acknowledged, .total_steps = {steps}};
  }

  void Extend(Job& job) {
    v1::ExtendJobRequest request;
    request.set_name(job.name);
    request.set_steps(kSteps);
    v1::Job answer;
    const grpc::Status status = Call(&Training::ExtendJob, request, &answer);
    if (Acknowledged("extend", status)) {
      job.total_steps = {kSteps};
      job.states = kGoesOn;
    } else if (IsUnknown(status)) {
      job.total_steps.insert(kSteps);
      job.states.clear();
    }
  }

  void Delete(Job& job) {
    v1::DeleteJobRequest request;
    request.set_name(job.name);
    google::protobuf::Empty answer;
    const grpc::Status status = Call(&Training::DeleteJob, request, &answer);
    if (Acknowledged("delete", status)) {
      job.deleted = true;
    } else if (IsUnknown(status)) {
      job.may_be_there = true;
    }
  }

  // Until the job has trained all its steps; its name, or nothing when there is none.
  std::string Conclude(Job& job) {
    for (const absl::Time deadline = absl::Now() + kPatience; absl::Now() < deadline;) {
      Check(job);
      if (job.name.empty()) return "";
      v1::Job now;
      EXPECT_TRUE(Get(job.name, &now).ok());
      if (now.state() == v1::JOB_STATE_SUCCEEDED) {
        if (now.progress().checkpoint_step() == kSteps) return job.name;
        Extend(job);
      } else if (now.state() == v1::JOB_STATE_PAUSED || now.state() == v1::JOB_STATE_CANCELLED ||
                 now.state() == v1::JOB_STATE_FAILED) {
        Steer(job, "resume", &Training::ResumeJob, kGoesOn);
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    ADD_FAILURE() << job.name << " does not end";
    return "";
  }

  const ServerProcess* const server_;
  const v1::JobSpec spec_;
  const std::string prefix_;
  std::mt19937 random_;
  std::vector<Job> jobs_;
  int created_ = 0;
  std::unique_ptr<Training> stub_;
  int endings_ = 0;  // Of the server to which the stub belongs.
  std::map<std::string, int> acknowledged_;
};

class KillTest : public IntegrationTest {
 protected:
  static v1::JobSpec Job() {
    v1::JobSpec spec = PointsJob(kSteps);
    spec.mutable_checkpoint()->set_every_steps(40);
    v1::Network network;
    *network.add_layers() = spec.network().layers(0);
    v1::Layer& dropout = *network.add_layers();
    dropout.set_name("dropout");
    dropout.mutable_dropout()->set_rate(0.2);
    *network.add_layers() = spec.network().layers(1);
    *spec.mutable_network() = network;
    return spec;
  }

  // At random moments: two of three times a worker, else the server.
  void Kill(int kills, std::mt19937& random) {
    int servers = 0;
    for (int i = 0; i < kills;) {
      absl::SleepFor(absl::Milliseconds(random() % 200));
      const std::vector<pid_t> workers = server_->Workers();
      if (random() % 3 == 0) {
        server_->Kill();
        server_->Start();
        ++servers;
      } else if (!workers.empty()) {
        kill(workers[random() % workers.size()], SIGKILL);
      } else {
        continue;
      }
      ++i;
    }
    std::printf("%d kills, %d of them of the server\n", kills, servers);
  }

  void ExpectSound(const std::string& name, const std::string& weights) {
    EXPECT_TRUE(Download(name + "/checkpoints/latest") == weights) << name << ": the weights differ";
    Watcher watcher(server_.get(), name);  // Fails where a sequence number is missing.
    for (const v1::Event& event : watcher.Finish()) {
      EXPECT_NE(event.log().level(), v1::LogLine::LEVEL_ERROR) << name << ": " << event.log().text();
    }
  }
};

TEST_F(KillTest, WhatWasAcknowledgedHoldsAndTheBitsAreTheSame) {
  const int kills = static_cast<int>(FromEnvironment("TRAIND_TEST_KILLS", kShortRun));
  const uint32_t seed = FromEnvironment("TRAIND_TEST_SEED", std::random_device()());
  std::printf("TRAIND_TEST_SEED=%u\n", seed);
  StartServer();
  ImportPoints();
  const std::string reference = Submit(Job(), "reference").name();
  Watcher watcher(server_.get(), reference);
  ASSERT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
  const std::string weights = Download(reference + "/checkpoints/latest");

  std::mt19937 random(seed);
  std::vector<std::unique_ptr<Person>> people;
  for (int i = 0; i < kPeople; ++i) people.push_back(std::make_unique<Person>(server_.get(), Job(), i, random()));
  std::atomic<bool> done = false;
  std::vector<std::thread> lives;
  for (auto& person : people) lives.emplace_back([&] { person->Live(done); });
  Kill(kills, random);
  done = true;
  for (std::thread& life : lives) life.join();
  server_->Kill();
  RestartServer();

  std::map<std::string, int> acknowledged;
  for (auto& person : people) {
    for (const std::string& name : person->Conclude()) ExpectSound(name, weights);
    for (const auto& [verb, count] : person->acknowledged()) acknowledged[verb] += count;
  }
  ExpectSound(reference, weights);
  for (const auto& [verb, count] : acknowledged) std::printf("%s: %d\n", verb.c_str(), count);
  if (kills >= kLongRun) {
    EXPECT_EQ(acknowledged.size(), 8u) << "verbs that came through";
  }
}

}  // namespace
}  // namespace traind::integration
