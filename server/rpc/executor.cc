#include "server/rpc/executor.h"

#include <algorithm>
#include <string>

#include "server/rpc/guarded.h"
#include "spdlog/spdlog.h"

namespace traind::server {

SharedThreads::SharedThreads(int threads, int kinds) : kinds_(static_cast<size_t>(kinds)), idle_(threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

SharedThreads::~SharedThreads() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void SharedThreads::Submit(size_t kind, std::function<void()> task) {
  absl::MutexLock lock(&mu_);
  kinds_[kind].waiting.push_back({arrivals_++, std::move(task)});
}

bool SharedThreads::Empty() const {
  return std::all_of(kinds_.begin(), kinds_.end(), [](const Kind& kind) { return kind.waiting.empty(); });
}

// There are always as many idle threads as kinds of which nothing runs.
SharedThreads::Kind* SharedThreads::Next() {
  const auto resting = std::count_if(kinds_.begin(), kinds_.end(), [](const Kind& kind) { return kind.running == 0; });
  Kind* next = nullptr;
  for (Kind& kind : kinds_) {
    if (kind.waiting.empty() || (kind.running > 0 && idle_ <= resting)) continue;
    if (next == nullptr || kind.waiting.front().arrival < next->waiting.front().arrival) next = &kind;
  }
  return next;
}

void SharedThreads::Run() {
  const auto has_work = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return (closing_ && Empty()) || Next() != nullptr; };
  while (true) {
    std::function<void()> task;
    Kind* kind = nullptr;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&has_work));
      kind = Next();
      if (kind == nullptr) return;
      task = std::move(kind->waiting.front().run);
      kind->waiting.pop_front();
      ++kind->running;
      --idle_;
    }
    const absl::Status status = Guarded([&task] {
      task();
      return absl::OkStatus();
    });
    if (!status.ok()) spdlog::error("a task failed: {}", std::string(status.message()));
    task = nullptr;  // What it holds goes before the thread is free, and without the lock.
    absl::MutexLock lock(&mu_);
    --kind->running;
    ++idle_;
  }
}

}  // namespace traind::server
