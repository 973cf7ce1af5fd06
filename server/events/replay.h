// Gives a worker's events their numbers and keeps replays out. After a resume a worker sends the events since its
// checkpoint again. Those that are stored already are compared with what is stored, not stored twice; a difference
// breaks the promise of an exact resume and is reported as a LOG event of level ERROR, once for each kind and step.
// A value type per live job; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "traind/v1/event.pb.h"

namespace traind::server {

// What a replay must reproduce, to the bit: the event without sequence, time and timing. Of a checkpoint the size is
// left out, too: its manifest holds times; and `best`: a job that is told to finish evaluates the step of a checkpoint
// that is there already.
std::string ReplayFingerprint(const v1::Event& event);

// Where a job's log stands.
struct LogPosition {
  int64_t last_sequence = 0;
  std::vector<std::optional<uint64_t>> last_steps;           // By the number of the kind: the highest stored step.
  std::set<std::pair<v1::EventKind, uint64_t>> differences;  // Reported already.
};

// The stored event of a kind and step, if there is one.
using FindStored = std::function<absl::StatusOr<std::optional<v1::Event>>(v1::EventKind kind, uint64_t step)>;

// What the log itself says of an event that is new in it: it comes right behind.
using Follow = std::function<std::vector<v1::Event>(const v1::Event& event)>;

// The events to store, numbered and dated, with `position` moved behind them. On an error `position` has no meaning:
// work on a copy, and keep it once the events are stored.
absl::StatusOr<std::vector<v1::Event>> Sequence(std::vector<v1::Event> incoming, absl::Time now, const FindStored& find,
                                                LogPosition& position, const Follow& follow = nullptr);

}  // namespace traind::server
