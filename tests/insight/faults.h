// The faults of the benchmark of insight: each one small change of a healthy job, as people make it. A table: what a
// fault does, to which jobs, which rules name its cause, and in which layer it is.
#pragma once

#include <string>
#include <vector>

#include "tests/insight/data.h"
#include "tests/insight/healthy.h"
#include "traind/v1/job.pb.h"

namespace traind::insight {

struct FaultyJob {
  Net net;
  Data data;
  v1::JobSpec spec;
  Change change = Change::kNone;         // Of the data.
  std::vector<std::string> layers = {};  // That have the fault; empty: all have, or it is in none.
};

// When a fault can be seen at the earliest.
enum class Seen : uint8_t {
  kAtOnce,          // From the first step on, or before.
  kAfterBest,       // When the evaluation loss goes up again.
  kFirstEvaluation  // In the numbers of an evaluation alone.
};

struct Fault {
  std::string name;
  std::string what;                // For people: "weights of one layer are zero".
  std::vector<std::string> rules;  // A root of one of these names the cause.
  Seen seen;
  bool (*fits)(Net net, Data data);
  void (*inject)(FaultyJob& job);
};

const std::vector<Fault>& Faults();

}  // namespace traind::insight
