// Which files a task may read and write, how much it may take, and closing the worker off accordingly
// (server/sandbox/sandbox.h). The task itself holds all its paths, made by the server of ids and of what it has
// checked; the worker closes itself off before it reads a byte of the files behind them.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/sandbox/sandbox.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

// What the task's paths say: reads its dataset, weights and the files of an import; writes the folder of its
// checkpoints, of its predictions, or that in which the dataset is made. INTERNAL: a path that would open more than
// that.
absl::StatusOr<FileRules> FilesOf(const internal::Task& task);

// Closes this process off for the task; makes the folder for checkpoints, which it could not make later. Before any
// thread is started. An error is of the machine (core/base/machine.h), or INTERNAL; the task must not run.
absl::Status Confine(const internal::Task& task);

}  // namespace traind::server
