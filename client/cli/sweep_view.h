// A sweep and its trials as text: tables, a frame of the live view. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/search.h"
#include "client/cli/styled.h"
#include "traind/v1/sweep.pb.h"

namespace traind::client {

bool IsTerminal(v1::SweepState state);
Style StateStyle(v1::SweepState state);
Style StateStyle(v1::TrialState state);

// "random", "asha", ...; empty where the sweep has no spec, as in lists.
std::string AlgorithmName(const v1::SweepSpec& spec);
// "accuracy"; its short name is the last part of the metric's path.
std::string ObjectiveName(const v1::SweepSpec& spec);
// Whether more of the objective is better, by Objective.goal or, where that is not said, by the metric.
bool IsMaximized(const v1::Objective& objective);
// "learning_rate 0.0012  batch_size 64".
std::string DescribeAssignments(const v1::Trial& trial);
// "log_uniform 0.0001 to 0.1", "32, 64, 128".
std::string DescribeRange(const v1::Parameter& parameter);

// What is drawn of the sweep, without curves. `sweep` has its spec; trials by number.
Search ToSearch(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials);

// A row for each trial, in their order, with a column for each parameter.
Table TrialTable(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials);

// How far it is, in [0, 1]: trials, or steps where those are what ends it.
double ProgressOf(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials);

struct SweepViewOptions {
  int width = 100;
  int height = 40;  // The frame has at most this many lines; trials, then the picture give way.
  bool color = false;
  absl::Time now;
  std::string connection;  // What is wrong with the connection; empty: nothing.
};

// The frame, each line ended by "\n". `trials` by number.
std::string RenderSweep(const v1::Sweep& sweep, const std::vector<v1::Trial>& trials, const SweepViewOptions& options);

// What is said at the end: how it ended, the best trial, of folds the mean and spread, what to try next.
std::string RenderSweepSummary(const v1::Sweep& sweep, bool color);

}  // namespace traind::client
