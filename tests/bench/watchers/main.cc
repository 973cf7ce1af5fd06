// traind-watch-bench: a crowd of watchers of one job, in one process. Most read what comes; slow ones wait a second
// after each response; stalled ones never read a second time. Prints, as a JSON line, how long after the server stored
// them events reached the first ones. tests/bench/watchers.py runs it.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::bench {
namespace {

using Clock = std::chrono::system_clock;

struct Options {
  std::string server, job;
  int watchers = 0, slow = 0, stalled = 0, seconds = 0;
};

std::vector<double> latencies_ms;  // Of all events that came to quick watchers.
std::mutex latencies_mu;
std::atomic<bool> counting = false;
std::atomic<bool> over = false;
std::atomic<int> open_streams = 0;

enum class Pace { kQuick, kSlow, kStalled };

class Watcher final : public grpc::ClientReadReactor<v1::WatchJobResponse> {
 public:
  Watcher(v1::TrainingService::Stub& stub, const std::string& job, int64_t after, Pace pace) : pace_(pace) {
    request_.set_name(job);
    request_.set_after_sequence(after);
    stub.async()->WatchJob(&context_, &request_, this);
    AddHold();  // Until Leave: a stalled one has no read under way.
    StartRead(&response_);
    StartCall();
    ++open_streams;
  }

  void OnReadDone(bool ok) override {
    if (!ok || over) return;
    if (counting && pace_ == Pace::kQuick) Count();
    if (pace_ == Pace::kQuick) StartRead(&response_);
    waits_ = true;
  }
  void OnDone(const grpc::Status&) override { --open_streams; }

  // A slow one reads again.
  void Tick() {
    if (pace_ == Pace::kSlow && waits_.exchange(false)) StartRead(&response_);
  }
  void Leave() {
    context_.TryCancel();
    RemoveHold();
  }

 private:
  void Count() {
    const double now = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
    const std::lock_guard lock(latencies_mu);
    for (const v1::Event& event : response_.events()) {
      latencies_ms.push_back((now - static_cast<double>(event.time().seconds()) - event.time().nanos() * 1e-9) * 1e3);
    }
  }

  const Pace pace_;
  grpc::ClientContext context_;
  v1::WatchJobRequest request_;
  v1::WatchJobResponse response_;
  std::atomic<bool> waits_ = false;
};

double Quantile(double share) {
  if (latencies_ms.empty()) return -1;
  const auto at =
      latencies_ms.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_ms.size() - 1));
  std::nth_element(latencies_ms.begin(), at, latencies_ms.end());
  return *at;
}

int Run(const Options& options) {
  constexpr int kStreamsOfAChannel = 500;
  std::vector<std::unique_ptr<v1::TrainingService::Stub>> stubs;
  const int all = options.watchers + options.slow + options.stalled;
  for (int i = 0; i <= all / kStreamsOfAChannel; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stubs.push_back(v1::TrainingService::NewStub(
        grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), arguments)));
  }
  v1::Job job;
  {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(options.job);
    const grpc::Status status = stubs[0]->GetJob(&context, request, &job);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.error_message().c_str());
      return 1;
    }
  }
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < all; ++i) {
    const Pace pace = i < options.watchers                  ? Pace::kQuick
                      : i < options.watchers + options.slow ? Pace::kSlow
                                                            : Pace::kStalled;
    const int64_t after = pace == Pace::kQuick ? job.last_sequence() : 0;  // The others have everything before them.
    watchers.push_back(
        std::make_unique<Watcher>(*stubs[static_cast<size_t>(i / kStreamsOfAChannel)], options.job, after, pace));
  }
  std::this_thread::sleep_for(std::chrono::seconds(2));
  std::puts("{\"ready\": true}");
  std::fflush(stdout);
  counting = true;
  for (int second = 0; second < options.seconds; ++second) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    for (const auto& watcher : watchers) watcher->Tick();
  }
  counting = false;
  over = true;
  for (const auto& watcher : watchers) watcher->Leave();
  while (open_streams > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::printf("{\"events\": %zu, \"p50_ms\": %.1f, \"p99_ms\": %.1f, \"max_ms\": %.1f}\n", latencies_ms.size(),
              Quantile(0.5), Quantile(0.99), Quantile(1));
  return 0;
}

}  // namespace
}  // namespace traind::bench

int main(int argc, char** argv) {
  traind::bench::Options options;
  bool good = argc == 7;
  if (good) {
    options.server = argv[1];
    options.job = argv[2];
    int* const numbers[] = {&options.watchers, &options.slow, &options.stalled, &options.seconds};
    for (int i = 0; i < 4; ++i) good = absl::SimpleAtoi(argv[3 + i], numbers[i]) && *numbers[i] >= 0 && good;
  }
  if (!good) {
    std::fputs("traind-watch-bench HOST:PORT jobs/ID QUICK SLOW STALLED SECONDS\n", stderr);
    return 2;
  }
  return traind::bench::Run(options);
}
