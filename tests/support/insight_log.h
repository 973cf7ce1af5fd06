// A job that insight watches, with a log that a test makes up: healthy unless the test says otherwise.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/insight/insight.h"
#include "core/job/resolve.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {

// Two hidden layers on bytes of ten classes, 600 steps.
inline constexpr char kHealthyJob[] = R"(
  network {
    layers { name: "first" dense { units: 100 } activation { relu {} } }
    layers { name: "second" dense { units: 100 } activation { relu {} } }
    layers { name: "out" dense { units: 10 } }
  }
  data { dataset: "images" preprocessing { standardize {} } }
  optimizer { learning_rate: 0.1 } batch_size: 100 epochs: 1)";

class InsightLog {
 public:
  explicit InsightLog(const std::string& spec = kHealthyJob, const std::function<void(v1::Job&)>& change = nullptr) {
    job_.set_name("jobs/a");
    *job_.mutable_spec() = FromText<v1::JobSpec>(spec);
    const v1::Dataset dataset = *FindTestDataset(job_.spec().data().dataset());
    FieldErrors::Root errors;
    const auto resolved = ResolveJob(job_.spec(), &dataset, 1, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    if (!resolved.ok() || !errors.ok()) return;
    *job_.mutable_resolved_spec() = resolved->spec;
    for (const std::string& warning : resolved->warnings) warnings.push_back(warning);
    job_.set_dataset(dataset.name());
    job_.mutable_trained_on()->set_num_classes(dataset.num_classes());
    job_.mutable_trained_on()->set_element_type(dataset.element_type());
    job_.mutable_progress()->set_steps_per_epoch(600);
    job_.mutable_progress()->set_total_steps(600);
    if (change != nullptr) change(job_);
    insight_ = Insight::Of(job_);
  }

  // The next event, with what it makes insight say.
  void Note(const v1::Event& event) {
    events.push_back(event);
    for (v1::Event& next : insight_.Note(event)) events.push_back(std::move(next));
  }

  v1::DataProfile Profile() const {
    v1::DataProfile data;
    data.set_examples(60000);
    for (int i = 0; i < 10; ++i) data.add_class_counts(6000);
    data.set_sampled(1024);
    data.set_features(784);
    data.set_std(1);
    return data;
  }
  void Data(const v1::DataProfile& profile) {
    v1::Event event;
    *event.mutable_data() = profile;
    Note(event);
  }

  void Train(uint64_t step, double loss, const std::function<void(v1::Event&)>& change = nullptr) {
    v1::Event event;
    event.set_step(step);
    event.mutable_train()->set_loss(loss);
    event.mutable_train()->set_learning_rate(0.1);
    event.mutable_train()->set_gradient_norm(1);
    event.mutable_timing()->set_step_ms(10);
    if (change != nullptr) change(event);
    Note(event);
  }

  // Of all layers and weights, and the tensors' statistics behind them in the same order.
  v1::StatisticsReport Report() const {
    v1::StatisticsReport report;
    for (const v1::Layer& one : job_.resolved_spec().network().layers()) {
      v1::LayerStatistics& layer = *report.add_layers();
      layer.set_layer(one.name());
      layer.set_units(100);
      layer.set_std(0.8F);
      if (one.activation().has_relu()) layer.set_dead_units(0);
      if (one.has_activation()) layer.set_saturated_fraction(0.1F);
      v1::ParameterStatistics& weight = *report.add_parameters();
      weight.set_name(one.name() + ".weight");
      weight.set_weight_norm(5);
      weight.set_gradient_std(0.01F);
      weight.set_update_ratio(1e-3F);
    }
    return report;
  }
  void Statistics(uint64_t step, const v1::StatisticsReport& report) {
    v1::Event event;
    event.set_step(step);
    *event.mutable_statistics() = report;
    Note(event);
  }
  void Evaluation(uint64_t step, double loss, const std::vector<int64_t>& predicted = {}) {
    v1::Event event;
    event.set_step(step);
    event.mutable_evaluation()->set_split("test");
    event.mutable_evaluation()->set_loss(loss);
    event.mutable_evaluation()->mutable_predicted()->Assign(predicted.begin(), predicted.end());
    Note(event);
  }

  // From the first step to this one: metrics every 10 steps, statistics every 50.
  using Loss = std::function<double(uint64_t step)>;
  void Run(uint64_t last, const Loss& loss, const v1::StatisticsReport& report) {
    for (; step_ <= last; step_ += step_ == 1 ? 9 : 10) {
      Train(step_, loss(step_));
      if (step_ == 1 || step_ % 50 == 0) Statistics(step_, report);
    }
  }
  // A loss that falls as it should, and one that does not.
  static double Falls(uint64_t step) { return 2.3 * 100 / (100 + static_cast<double>(step)); }
  static double Stays(uint64_t step) { return 2.3 + (step % 20 == 0 ? 0.001 : -0.001); }

  // As it was told last; without a rule: it was not.
  v1::Finding Find(const std::string& id) const {
    v1::Finding found;
    for (const v1::Event& event : events) {
      if (event.finding().id() == id) found = event.finding();
    }
    return found;
  }
  bool IsOpen(const std::string& id) const { return Find(id).state() == v1::Finding::STATE_OPEN; }
  // Ids of what is open and costs something.
  std::vector<std::string> Bad() const {
    std::map<std::string, v1::Finding> newest;
    for (const v1::Event& event : events) {
      if (event.has_finding()) newest[event.finding().id()] = event.finding();
    }
    std::vector<std::string> ids;
    for (const auto& [id, finding] : newest) {
      const bool open = finding.state() == v1::Finding::STATE_OPEN;
      if (open && finding.severity() >= v1::Finding::SEVERITY_WARNING) ids.push_back(id);
    }
    return ids;
  }
  const v1::Job& job() const { return job_; }

  std::vector<v1::Event> events;  // The log, without numbers.
  std::vector<std::string> warnings;

 private:
  v1::Job job_;
  Insight insight_ = Insight::Of(v1::Job());
  uint64_t step_ = 1;
};

}  // namespace traind::core
