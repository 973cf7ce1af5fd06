// What cross-validation says of a job: a number for each fold, mean and spread. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "client/cli/styled.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

struct FoldNumbers {
  std::vector<double> values;  // One for each fold that has it.
  double mean = 0;
  double deviation = 0;  // Sample standard deviation: divided by n - 1; 0 with one value.
};
FoldNumbers NumbersOf(std::vector<double> values);

// A row for each fold with its newest evaluation, and one with "mean ± sample standard deviation". `jobs`: one for each
// fold, in their order; jobs without an evaluation have a "-" and do not count.
Table FoldTable(const std::vector<v1::Job>& jobs);
// The same as one JSON object: {"folds": [{"job": ..., "loss": ...}], "loss": {"mean": ..., "standard_deviation":
// ...}}.
std::string FoldJson(const std::vector<v1::Job>& jobs);

}  // namespace traind::client
