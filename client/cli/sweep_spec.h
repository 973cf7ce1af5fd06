// A sweep as people ask for it: a file, a job file, and the short forms of the command line. Pure but for the reading.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/context.h"
#include "client/job_file.h"
#include "traind/v1/sweep.pb.h"

namespace traind::client {

struct SweepSpecOptions {
  std::string file;                      // A SweepSpec; empty: none.
  std::string job;                       // A job file, for its `base`; empty: none.
  std::vector<std::string> vary;         // "PATH[,PATH]=VALUES".
  std::vector<std::string> assignments;  // --set, of the SweepSpec.
  std::vector<std::string> labels;       // "KEY=VALUE".
  bool grid = false;
  std::optional<uint32_t> random, latin, asha;  // Trials of it.
  std::optional<uint32_t> min_epochs;           // The first rung of asha, in epochs or steps.
  std::optional<uint64_t> min_steps;
  std::string maximize, minimize;  // A metric; empty: not given.
  std::optional<uint32_t> parallel;
  std::optional<uint64_t> seed;
  std::string duration;  // "8m"; empty: not given.
};

void AddSweepSpecOptions(CLI::App& command, SweepSpecOptions& options);

// What one --vary says: "optimizer.learning_rate=1e-4..1e-1:log", "batch_size=32,64,128". The parameter, checked
// against `base`, in which each path must be one that SetField takes. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<v1::Parameter> ParseVary(absl::string_view text, const v1::JobSpec& base);

// The spec that is asked for, as a file that explains errors. Nullopt: it has said what is wrong, and `code` is the
// exit code.
std::optional<MessageFile> ReadSweepSpec(const Context& context, const SweepSpecOptions& options, int& code);

// A grid over data.folds.index of the job of `file`, with `folds` of them, as a file that explains errors.
MessageFile FoldsOf(JobFile file, uint32_t folds);

}  // namespace traind::client
