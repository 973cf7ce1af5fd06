// traind-event-bench: what the events of a job take on the disk. Feeds a store with the events of a job of 20 (or so
// many) small layers (what one reports: histograms of 64 bins over 512 values each, numbers that hardly repeat) and
// prints the size of the folder after each part of it as a JSON line. What it leaves is a record that traind can serve.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/store/sqlite_job_store.h"

namespace traind::bench {
namespace {

using server::SqliteJobStore;

constexpr int64_t kBegin = 1'700'000'000;  // Seconds since 1970.

struct Options {
  std::string folder;
  int64_t reports = 86'400;         // One a second for a day.
  int64_t metrics_for_report = 4;   // Events of metrics beside each report.
  int64_t checkpoint_reports = 60;  // Between two checkpoints.
  int64_t layers = 20;
  int64_t report_steps = 3500;
};

class Job {
 public:
  explicit Job(const Options& options) : options_(options) {}

  v1::Event Report() {
    v1::Event event = Next();
    step_ += static_cast<uint64_t>(options_.report_steps);
    event.set_step(step_);
    for (int i = 0; i < options_.layers; ++i) AddLayer(i, *event.mutable_statistics());
    return event;
  }
  v1::Event Metrics() {
    v1::Event event = Next();
    event.mutable_train()->set_loss(normal_(random_));
    event.mutable_train()->set_accuracy(0.5);
    event.mutable_train()->set_learning_rate(0.01);
    event.mutable_train()->set_gradient_norm(std::exp(normal_(random_)));
    event.mutable_timing()->set_examples_per_second(1e5);
    event.mutable_timing()->set_step_ms(0.28);
    event.mutable_timing()->mutable_remaining()->set_seconds(1000);
    return event;
  }
  v1::Event Checkpoint() {
    v1::Event event = Next();
    event.mutable_checkpoint()->set_name(absl::StrCat("jobs/a/checkpoints/", step_));
    return event;
  }
  v1::Event End() {
    v1::Event event = Next();
    event.mutable_state()->set_state(v1::JOB_STATE_SUCCEEDED);
    return event;
  }
  int64_t sequence() const { return sequence_; }
  uint64_t step() const { return step_; }

 private:
  v1::Event Next() {
    v1::Event event;
    event.set_sequence(++sequence_);
    event.mutable_time()->set_seconds(kBegin + sequence_);
    event.mutable_time()->set_nanos(static_cast<int32_t>(random_() % 1'000'000'000));
    event.set_step(step_);
    event.set_epoch(static_cast<double>(step_) / 62);
    return event;
  }

  void AddLayer(int index, v1::StatisticsReport& report) {
    v1::LayerStatistics& layer = *report.add_layers();
    layer.set_layer(absl::StrCat("fc", index));
    layer.set_kind("dense");
    layer.set_activation("relu");
    layer.add_shape(16);
    layer.set_count(512);
    layer.set_units(16);
    layer.set_dead_units(static_cast<int64_t>(random_() % 3));
    for (auto set : {&v1::LayerStatistics::set_mean, &v1::LayerStatistics::set_std, &v1::LayerStatistics::set_min,
                     &v1::LayerStatistics::set_max, &v1::LayerStatistics::set_zero_fraction,
                     &v1::LayerStatistics::set_saturated_fraction}) {
      (layer.*set)(normal_(random_));
    }
    std::array<int64_t, 64> counts = {};
    for (int n = 0; n < 512; ++n) ++counts[static_cast<size_t>(std::clamp(32 + 10 * normal_(random_), 0.0f, 63.0f))];
    layer.mutable_histogram()->set_low(normal_(random_));
    layer.mutable_histogram()->set_high(normal_(random_));
    layer.mutable_histogram()->mutable_counts()->Add(counts.begin(), counts.end());
    for (const char* name : {"weight", "bias"}) {
      v1::ParameterStatistics& tensor = *report.add_parameters();
      tensor.set_name(absl::StrCat("fc", index, ".", name));
      for (auto set : {&v1::ParameterStatistics::set_weight_norm, &v1::ParameterStatistics::set_weight_mean,
                       &v1::ParameterStatistics::set_weight_std, &v1::ParameterStatistics::set_gradient_norm,
                       &v1::ParameterStatistics::set_gradient_mean, &v1::ParameterStatistics::set_gradient_std,
                       &v1::ParameterStatistics::set_update_ratio}) {
        (tensor.*set)(normal_(random_));
      }
    }
  }

  const Options options_;
  std::mt19937 random_{1};
  std::normal_distribution<float> normal_;
  int64_t sequence_ = 0;
  uint64_t step_ = 0;
};

double MegabytesIn(const std::string& folder) {
  uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return static_cast<double>(bytes) / 1e6;
}

absl::Status Run(const Options& options) {
  auto store = SqliteJobStore::Open({.path = options.folder + "/traind.db"});
  if (!store.ok()) return store.status();
  Job job(options);
  v1::Job record;
  record.set_name("jobs/a");
  record.set_uid("a");
  for (auto moment : {&v1::Job::mutable_create_time, &v1::Job::mutable_start_time, &v1::Job::mutable_end_time}) {
    (record.*moment)()->set_seconds(kBegin);
  }
  record.set_state(v1::JOB_STATE_RUNNING);
  v1::Network& network = *record.mutable_resolved_spec()->mutable_network();
  network.add_input_shape(16);
  for (int i = 0; i < options.layers; ++i) {
    v1::Layer& layer = *network.add_layers();
    layer.set_name(absl::StrCat("fc", i));
    layer.mutable_dense()->set_units(16);
  }
  auto key = (*store)->CreateJob(record, {job.Checkpoint()});
  if (!key.ok()) return key.status();
  int64_t bytes = 0;
  for (int64_t report = 1; report <= options.reports;) {
    std::vector<v1::Event> events;
    for (int n = 0; n < 10 && report <= options.reports; ++n, ++report) {
      events.push_back(job.Report());
      for (int64_t m = 0; m < options.metrics_for_report; ++m) events.push_back(job.Metrics());
      if (report % options.checkpoint_reports == 0) events.push_back(job.Checkpoint());
    }
    for (const v1::Event& event : events) bytes += static_cast<int64_t>(event.ByteSizeLong());
    record.set_last_sequence(job.sequence());
    if (absl::Status status = (*store)->AppendEvents(*key, record, events); !status.ok()) return status;
    if (report / (options.reports / 24) == (report - 10) / (options.reports / 24) && report <= options.reports)
      continue;
    absl::PrintF("{\"reports\": %d, \"events\": %d, \"event_mb\": %.1f, \"disk_mb\": %.1f}\n", report - 1,
                 job.sequence(), static_cast<double>(bytes) / 1e6, MegabytesIn(options.folder));
    std::fflush(stdout);
  }
  const v1::Event end = job.End();
  record.set_state(v1::JOB_STATE_SUCCEEDED);
  record.mutable_progress()->set_step(job.step());
  record.mutable_progress()->set_total_steps(job.step());
  record.set_last_sequence(end.sequence());
  return (*store)->UpdateJob(*key, record, {end});
}

}  // namespace
}  // namespace traind::bench

int main(int argc, char** argv) {
  traind::bench::Options options;
  if (argc >= 2) options.folder = argv[1];
  const std::array numbers = {&options.reports, &options.layers, &options.report_steps};
  bool known = argc <= 2 + static_cast<int>(numbers.size());
  for (int i = 2; known && i < argc; ++i) {
    int64_t* number = numbers[static_cast<size_t>(i - 2)];
    known = absl::SimpleAtoi(argv[i], number) && *number > 0;
  }
  if (options.folder.empty() || !known || options.reports < 240) {
    std::fputs(
        "traind-event-bench FOLDER [REPORTS [LAYERS [STEPS]]]: writes the events of a day, or at least 240 reports, "
        "of\n"
        "20 layers every 3500 steps, or so many, into FOLDER\n",
        stderr);
    return 2;
  }
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  const absl::Status status = traind::bench::Run(options);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
