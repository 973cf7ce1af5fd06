// Numbers at one moment, with their names, as a page that Prometheus reads. Names and units follow OpenMetrics: seconds
// and bytes, `_total` for what only grows, `_info` for what is said by labels. Thread-compatible.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "prometheus/metric_family.h"
#include "server/telemetry/histogram.h"

namespace traind::server {

// The name of a number, and what it is, for people.
struct SampleName {
  const char* name;
  const char* help;
};

class Samples {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // What goes up and down.
  void Gauge(const SampleName& name, double value, const Labels& labels = {});
  // What only grows while the server runs.
  void Counter(const SampleName& name, double value, const Labels& labels = {});
  void Add(const SampleName& name, const Histogram& histogram, const Labels& labels = {});

  // In Prometheus' text format, families in the order of their names.
  std::string Text() const;

 private:
  prometheus::ClientMetric& New(const SampleName& name, prometheus::MetricType type, const Labels& labels);

  std::map<std::string, prometheus::MetricFamily> families_;
};

// The media type of Samples::Text.
inline constexpr char kSamplesType[] = "text/plain; version=0.0.4; charset=utf-8";

// What every process has, by the names that Prometheus' own client libraries use: CPU time, memory, open files, start.
void AddProcessSamples(Samples& samples);

}  // namespace traind::server
