// Some of the reports of a job, spread over all of them, in bounded memory. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/series.pb.h"

namespace traind::server {

class ReportSample {
 public:
  static constexpr size_t kMostBytes = 2 << 20;  // Of an answer, unless two reports take more.

  // At most `most` reports, of these layers alone; `layers` outlives this.
  ReportSample(size_t most, const absl::flat_hash_set<std::string>& layers) : most_(most), layers_(layers) {}

  // The next event of the job. One without a report of the layers counts for nothing.
  void Add(const v1::Event& event);
  // The first, the newest, and what lies evenly between.
  std::vector<v1::Series::Report> Take() const;

 private:
  size_t Room() const;

  const size_t most_;
  const absl::flat_hash_set<std::string>& layers_;
  std::vector<v1::Series::Report> kept_;  // Every stride_th one; the newest one beside them.
  v1::Series::Report newest_;
  int64_t seen_ = 0, stride_ = 1;
  size_t largest_ = 1;  // Bytes of a report.
};

}  // namespace traind::server
