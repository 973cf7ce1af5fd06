#include "server/rpc/executor.h"

#include <string>

#include "server/rpc/guarded.h"
#include "spdlog/spdlog.h"

namespace traind::server {

void Executor::Run() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closing_ || !tasks_.empty(); };
  while (true) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&has_work));
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    const absl::Status status = Guarded([&task] {
      task();
      return absl::OkStatus();
    });
    if (!status.ok()) spdlog::error("a task failed: {}", std::string(status.message()));
  }
}

}  // namespace traind::server
