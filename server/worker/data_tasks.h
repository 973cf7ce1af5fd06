// What a worker does with datasets: bring them in and describe them. A worker runs one task, in one thread; an error is
// in the result.
#pragma once

#include "core/base/progress.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {

// `progress` is in bytes for an import, in examples for a description. The files that are read are only those of the
// task.
internal::Result RunImport(const internal::Task& task, const core::Progress& progress);
internal::Result RunDescribe(const internal::Task& task, const core::Progress& progress);

}  // namespace traind::server
