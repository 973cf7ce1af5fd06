// The sink of a run in a test: keeps what a server would store, and can stop the run after a step.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/train/train.h"
#include "gtest/gtest.h"

namespace traind::core {

// Events lose their times.
class Recorder : public EventSink {
 public:
  void Emit(v1::Event event) override {
    event.clear_timing();
    by_kind_[event.kind_case()].push_back(std::move(event));
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  void Heartbeat(uint64_t step) override {
    if (step > 0 && step == stop_after) stop = wish;
  }
  void WaitsFor(absl::string_view what) override {
    waited_for.emplace_back(what);
    if (stop_when_waiting && !what.empty()) stop = StopWish::kStop;
  }

  // In the order in which they came.
  const std::vector<v1::Event>& Of(v1::Event::KindCase kind) { return by_kind_[kind]; }
  // There must be one.
  const v1::Event& Last(v1::Event::KindCase kind) { return Of(kind).back(); }
  const v1::Event& At(v1::Event::KindCase kind, uint64_t step) {
    static const v1::Event kNone;
    for (const v1::Event& event : Of(kind)) {
      if (event.step() == step) return event;
    }
    ADD_FAILURE() << "no event of kind " << kind << " at step " << step;
    return kNone;
  }
  // Kind by kind, in order. Without checkpoints, which come when a job is stopped: for comparisons bit for bit.
  std::vector<std::string> Bytes() const {
    std::vector<std::string> bytes;
    for (const auto& [kind, events] : by_kind_) {
      if (kind == v1::Event::kCheckpoint) continue;
      for (const v1::Event& event : events) bytes.push_back(event.SerializeAsString());
    }
    return bytes;
  }

  uint64_t stop_after = 0;
  StopWish wish = StopWish::kStop;  // What is wanted then.
  StopSignal stop = StopWish::kNone;
  bool stop_when_waiting = false;
  std::vector<std::string> waited_for;  // All that WaitsFor was told.

 private:
  std::map<int, std::vector<v1::Event>> by_kind_;
};

}  // namespace traind::core
