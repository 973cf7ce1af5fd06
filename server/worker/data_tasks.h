// What a worker does with datasets: bring them in and describe them. A worker runs one task, in one thread; an error is
// in the result.
#pragma once

#include <functional>

#include "traind/internal/worker.pb.h"

namespace traind::server {

// `progress` is called now and then. The files that are read are only those of the task.
internal::Result RunImport(const internal::Task& task, const std::function<void()>& progress);
internal::Result RunDescribe(const internal::Task& task, const std::function<void()>& progress);

}  // namespace traind::server
