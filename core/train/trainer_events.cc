// What a run tells of itself.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

// At most what google.protobuf.Duration may say, about 10,000 years.
google::protobuf::Duration ToDuration(double seconds) {
  seconds = std::min(seconds, 315'576'000'000.0);
  google::protobuf::Duration duration;
  duration.set_seconds(static_cast<int64_t>(seconds));
  duration.set_nanos(static_cast<int32_t>((seconds - std::floor(seconds)) * 1e9));
  return duration;
}

// Of the layers, which are in the order of the graph.
void SayFrozen(const Graph& graph, const ParameterStore& store, v1::StatisticsReport& report) {
  auto parameter = store.parameters().begin();
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    bool trained = false, frozen = true;
    for (size_t k = 0; k < graph.nodes()[i].parameters.size(); ++k, ++parameter) {
      trained |= parameter->spec->trained;
      frozen &= !parameter->spec->trained || parameter->frozen;
    }
    report.mutable_layers(static_cast<int>(i))->set_frozen(trained && frozen);
  }
}

}  // namespace

v1::Event Trainer::NewEvent(uint64_t step) const {
  v1::Event event;
  event.set_step(step);
  event.set_epoch(steps_per_epoch_ == 0 ? 0 : static_cast<double>(step) / static_cast<double>(steps_per_epoch_));
  return event;
}

int64_t Trainer::CorrectOf(const Batch& batch) const {
  return CountCorrect(model_.loss->output_meaning(), ran_->output(), batch.labels, batch.count, ran_->outputs());
}

void Trainer::EmitMetrics(const Ran& ran, const UpdatePass::Measures& measures, double learning_rate) {
  const auto examples = static_cast<double>(ran.examples);
  v1::Event event = NewEvent();
  auto* train = event.mutable_train();
  train->set_loss(ran.loss_sum / examples);
  train->set_penalty(measures.penalty);
  train->set_learning_rate(learning_rate);
  train->set_gradient_norm(measures.gradient_norm);
  if (ran.batch->labels != nullptr) {
    train->set_accuracy(static_cast<double>(ran.correct) / examples);
  }
  const v1::RunningSums& sums = manifest_.running();
  train->set_mean_loss(sums.loss() / static_cast<double>(sums.examples()));
  if (train->has_accuracy()) {
    train->set_mean_accuracy(static_cast<double>(sums.correct()) / static_cast<double>(sums.examples()));
  }
  train->set_mean_steps(sums.steps());
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last_metrics_).count();
  const auto steps = static_cast<double>(step_ - last_metrics_step_);
  auto* timing = event.mutable_timing();
  timing->set_step_ms(seconds * 1e3 / steps);
  timing->set_data_wait_ms(std::chrono::duration<double, std::milli>(data_wait_).count() / steps);
  timing->set_examples_per_second(static_cast<double>(examples_since_metrics_) / seconds);
  *timing->mutable_remaining() = ToDuration(seconds / steps * static_cast<double>(total_steps_ - step_));
  last_metrics_ = now;
  last_metrics_step_ = step_;
  examples_since_metrics_ = 0;
  data_wait_ = {};
  sink_.Emit(std::move(event));
}

void Trainer::EmitStatistics() {
  v1::Event event = NewEvent();
  ran_->Report(event.mutable_statistics());
  SayFrozen(*model_.graph, *model_.store, *event.mutable_statistics());
  size_t k = 0;
  size_t index = 0;
  for (const StoredParameter& parameter : model_.store->parameters()) {
    const std::optional<double> sparsity = lottery_ ? lottery_->Sparsity(index++) : std::nullopt;
    if (!parameter.spec->trained) continue;
    auto* statistics = event.mutable_statistics()->add_parameters();
    const ParameterNumbers numbers =
        parameter.frozen ? WeightNumbers(parameter.master, parameter.stored_elements()) : numbers_[k++];
    ToStatistics(numbers, Elements(parameter.spec->shape), statistics);
    statistics->set_name(parameter.name);
    statistics->set_frozen(parameter.frozen);
    const double factor = parameter.spec->learning_rate_factor * parameter.treatment.learning_rate_factor;
    if (factor != 1 && !parameter.frozen) statistics->set_learning_rate_factor(factor);
    if (sparsity) statistics->set_sparsity(*sparsity);
  }
  sink_.Emit(std::move(event));
}

void Trainer::EmitCheckpoint(uint64_t step, int64_t size_bytes, bool best) {
  v1::Event event = NewEvent(step);
  auto* saved = event.mutable_checkpoint();
  saved->set_name(absl::StrCat(request_.job, "/checkpoints/", step));
  saved->set_size_bytes(size_bytes);
  saved->set_best(best);
  sink_.Emit(std::move(event));
}

void Trainer::EmitLog(v1::LogLine::Level level, const std::string& text) {
  v1::Event event = NewEvent();
  event.mutable_log()->set_level(level);
  event.mutable_log()->set_text(text);
  sink_.Emit(std::move(event));
}

}  // namespace traind::core
