// The answer of GetSeries, made of a job's events one after the other, in memory that does not depend on how many there
// are: all curves together hold 40,000 points, 640 KB, and reports take 6 MB at most. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "server/events/event_log.h"
#include "server/services/curve.h"
#include "server/services/report_sample.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/series.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

inline constexpr size_t kMostSeriesPoints = 40'000;  // Of one answer: 11 bytes each on the wire.

// Whatever the job is. `errors` is the scope of the request.
void CheckSeriesRequest(const v1::GetSeriesRequest& request, const core::FieldErrors& errors);

class SeriesBuilder {
 public:
  // A request that CheckSeriesRequest has found good, and that outlives this.
  explicit SeriesBuilder(const v1::GetSeriesRequest& request);

  // The kinds of events that Add wants to see, as JobStore::ReadOptions has them.
  uint32_t kinds() const { return kinds_; }
  // The next event of the job. RESOURCE_EXHAUSTED: there are too many curves.
  absl::Status Add(const v1::Event& event);
  // At the end.
  v1::Series Build() const;

 private:
  // The curves of one layer, tensor or split, or of the job: one for each quantity of its family, as asked for.
  struct Owner {
    std::string name;
    std::vector<Curve> curves;
  };
  // A quantity, and where it stands in the request.
  struct Asked {
    v1::Quantity quantity;
    int place;
  };
  struct Family {
    std::vector<Asked> asked;
    std::vector<std::unique_ptr<Owner>> owners;
    absl::flat_hash_map<std::string, Owner*> by_name;
  };

  template <class Message>
  void AddTo(Family& family, const std::string& name, uint64_t step, const Message& message);
  Owner& OwnerOf(Family& family, const std::string& name);
  bool IsWanted(absl::string_view layer) const { return layers_.empty() || layers_.contains(layer); }
  absl::Status Bound();
  template <class Do>
  void ForEachCurve(const Do& work);

  const v1::GetSeriesRequest& request_;
  absl::flat_hash_set<std::string> layers_;
  uint32_t kinds_ = 0;
  size_t most_;       // Points of one curve.
  size_t total_ = 0;  // Points of all.
  int64_t damaged_ = 0;
  Family job_, splits_, of_layers_, tensors_;
  ReportSample reports_;
};

// Reads the events that the job has up to `last_sequence`. `check` is asked between reads; its error ends the work, and
// is given back. NOT_FOUND: the job was deleted.
absl::StatusOr<v1::Series> ReadSeries(const v1::GetSeriesRequest& request, EventLog& log, JobKey key,
                                      int64_t last_sequence, const std::function<absl::Status()>& check);

}  // namespace traind::server
