// A fake sweep of three trials for the tests of `trainctl sweep`.
#pragma once

#include <string>
#include <vector>

#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::client {

inline constexpr char kSweepSpec[] = R"(
  base { network { layers { name: "out" dense { units: 3 } } } data { dataset: "toy" } epochs: 2 batch_size: 8 }
  space { name: "learning_rate" paths: "optimizer.learning_rate" log_uniform { low: 0.001 high: 0.1 } }
  space { name: "batch_size" paths: "batch_size" choice { values: [ "8", "16" ] } }
  random {}
  objective { metric: "accuracy" goal: GOAL_MAXIMIZE value: VALUE_LAST }
  budget { max_trials: 3 }
)";

// Its trials: one that succeeded, the best one, and one that failed.
inline constexpr const char* kSweepTrials[] = {
    R"(name: "sweeps/widths/trials/1" number: 1 state: TRIAL_STATE_SUCCEEDED job: "jobs/widths-1" objective: 0.5
       objective_step: 40 step: 40 goal_step: 40 total_steps: 40
       assignments { parameter: "learning_rate" value: "0.1" number: 0.1 }
       assignments { parameter: "batch_size" value: "8" number: 8 })",
    R"(name: "sweeps/widths/trials/2" number: 2 state: TRIAL_STATE_SUCCEEDED job: "jobs/widths-2" objective: 0.75
       objective_step: 40 step: 40 goal_step: 40 total_steps: 40
       assignments { parameter: "learning_rate" value: "0.01" number: 0.01 }
       assignments { parameter: "batch_size" value: "16" number: 16 })",
    R"(name: "sweeps/widths/trials/3" number: 3 state: TRIAL_STATE_FAILED job: "jobs/widths-3" step: 7 goal_step: 40
       total_steps: 40 error { message: "the loss is <NaN>" }
       assignments { parameter: "learning_rate" value: "0.001" number: 0.001 }
       assignments { parameter: "batch_size" value: "8" number: 8 })"};

inline std::vector<v1::Trial> FakeTrials() {
  std::vector<v1::Trial> trials;
  for (const char* text : kSweepTrials) trials.push_back(FromText<v1::Trial>(text));
  return trials;
}

inline v1::Sweep FakeSweep(v1::SweepState state = v1::SWEEP_STATE_SUCCEEDED) {
  auto sweep = FromText<v1::Sweep>(R"(
    name: "sweeps/widths" uid: "u-1" etag: "e" display_name: "widths of a toy" dataset: "datasets/toy"
    create_time { seconds: 1767323045 } end_time { seconds: 1767323145 }
    summary { trials: 3 planned_trials: 3 finished: 2 mean: 0.625 standard_deviation: 0.176776695 steps: 87
              full_steps: 120 trials_by_state { key: "SUCCEEDED" value: 2 }
              trials_by_state { key: "FAILED" value: 1 } })");
  sweep.set_state(state);
  *sweep.mutable_spec() = FromText<v1::SweepSpec>(kSweepSpec);
  *sweep.mutable_summary()->mutable_best() = FakeTrials()[1];
  return sweep;
}

class SweepTest : public AppTest {
 protected:
  SweepTest() {
    server_.sweeps.create_sweep = [this](const v1::CreateSweepRequest& request, v1::Sweep* sweep) {
      created_ = request;
      *sweep = FakeSweep();
      return grpc::Status::OK;
    };
    server_.sweeps.get_sweep = [](const v1::GetSweepRequest& request, v1::Sweep* sweep) {
      if (request.name() != "sweeps/widths") return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such sweep");
      *sweep = FakeSweep();
      return grpc::Status::OK;
    };
    server_.sweeps.list_trials = [this](const v1::ListTrialsRequest& request, v1::ListTrialsResponse* response) {
      listed_ = request;
      for (const v1::Trial& trial : FakeTrials()) *response->add_trials() = trial;
      return grpc::Status::OK;
    };
    server_.sweeps.get_trial = [](const v1::GetTrialRequest& request, v1::Trial* trial) {
      *trial = request.name() == "sweeps/widths/trials/best" ? FakeTrials()[1] : FakeTrials()[0];
      return grpc::Status::OK;
    };
    server_.sweeps.list_entries = [](const v1::ListSweepEntriesRequest& request,
                                     v1::ListSweepEntriesResponse* response) {
      const std::vector<const char*> texts = {
          R"(sequence: 1 time { seconds: 1767323045 } trial: 1
             chosen { assignments { parameter: "learning_rate" value: "0.1" } total_steps: 40 })",
          R"(sequence: 2 time { seconds: 1767323105 } trial: 1
             arrived { state: TRIAL_STATE_SUCCEEDED step: 40 objective: 0.5 objective_step: 40 })",
          R"(sequence: 3 time { seconds: 1767323145 }
             turn { state: SWEEP_STATE_SUCCEEDED reason: "all trials have ended" })"};
      for (size_t i = static_cast<size_t>(request.after_sequence()); i < texts.size(); ++i) {
        *response->add_entries() = FromText<v1::SweepEntry>(texts[i]);
      }
      return grpc::Status::OK;
    };
  }

  v1::CreateSweepRequest created_;
  v1::ListTrialsRequest listed_;
};

}  // namespace traind::client
