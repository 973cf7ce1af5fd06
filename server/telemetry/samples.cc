#include "server/telemetry/samples.h"

#include <sstream>

#include "prometheus/text_serializer.h"

namespace traind::server {

prometheus::ClientMetric& Samples::New(const SampleName& name, prometheus::MetricType type, const Labels& labels) {
  prometheus::MetricFamily& family = families_[name.name];
  family.name = name.name;
  family.help = name.help;
  family.type = type;
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  return metric;
}

void Samples::Gauge(const SampleName& name, double value, const Labels& labels) {
  New(name, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void Samples::Counter(const SampleName& name, double value, const Labels& labels) {
  New(name, prometheus::MetricType::Counter, labels).counter.value = value;
}

void Samples::Add(const SampleName& name, const Histogram& histogram, const Labels& labels) {
  const Histogram::Snapshot read = histogram.Read();
  auto& made = New(name, prometheus::MetricType::Histogram, labels).histogram;
  for (size_t i = 0; i < read.counts.size(); ++i) {
    made.sample_count += read.counts[i];
    if (i < histogram.bounds().size()) {
      made.bucket.push_back({.cumulative_count = made.sample_count, .upper_bound = histogram.bounds()[i]});
    }
  }
  made.sample_sum = read.sum;
}

std::string Samples::Text() const {
  std::vector<prometheus::MetricFamily> families;
  families.reserve(families_.size());
  for (const auto& [name, family] : families_) families.push_back(family);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace traind::server
