#include "server/services/series.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/evaluation_metric.h"
#include "server/resources/request_bounds.h"
#include "server/services/report_layers.h"

namespace traind::server {
namespace {

constexpr int32_t kDefaultPoints = 1000;
constexpr int32_t kMostPoints = 10'000;
constexpr int32_t kMostReports = 256;

// A number of a message that has it, or nothing.
template <class Message>
struct Column {
  v1::Quantity quantity;
  std::optional<double> (*read)(const Message& message);
};

template <class Message>
struct Columns;

// Events of TrainMetrics.
template <>
struct Columns<v1::Event> {
  static constexpr Column<v1::Event> kAll[] = {
      {v1::QUANTITY_LOSS, [](const v1::Event& event) { return std::optional(event.train().loss()); }},
      {v1::QUANTITY_PENALTY, [](const v1::Event& event) { return std::optional(event.train().penalty()); }},
      {v1::QUANTITY_ACCURACY,
       [](const v1::Event& event) {
         return event.train().has_accuracy() ? std::optional(event.train().accuracy()) : std::nullopt;
       }},
      {v1::QUANTITY_MEAN_LOSS,
       [](const v1::Event& event) {
         return event.train().has_mean_loss() ? std::optional(event.train().mean_loss()) : std::nullopt;
       }},
      {v1::QUANTITY_MEAN_ACCURACY,
       [](const v1::Event& event) {
         return event.train().has_mean_accuracy() ? std::optional(event.train().mean_accuracy()) : std::nullopt;
       }},
      {v1::QUANTITY_LEARNING_RATE, [](const v1::Event& event) { return std::optional(event.train().learning_rate()); }},
      {v1::QUANTITY_GRADIENT_NORM, [](const v1::Event& event) { return std::optional(event.train().gradient_norm()); }},
      {v1::QUANTITY_STEP_MS,
       [](const v1::Event& event) {
         return event.has_timing() ? std::optional(event.timing().step_ms()) : std::nullopt;
       }},
      {v1::QUANTITY_DATA_WAIT_MS,
       [](const v1::Event& event) {
         return event.has_timing() ? std::optional(event.timing().data_wait_ms()) : std::nullopt;
       }},
      {v1::QUANTITY_EXAMPLES_PER_SECOND,
       [](const v1::Event& event) {
         return event.has_timing() ? std::optional(event.timing().examples_per_second()) : std::nullopt;
       }},
  };
};

template <>
struct Columns<v1::EvaluationMetrics> {
  using Metrics = v1::EvaluationMetrics;
  static constexpr Column<Metrics> kAll[] = {
      {v1::QUANTITY_EVALUATION_LOSS, [](const Metrics& metrics) { return std::optional(metrics.loss()); }},
      {v1::QUANTITY_EVALUATION_ACCURACY,
       [](const Metrics& metrics) {
         return metrics.has_accuracy() ? std::optional(metrics.accuracy()) : std::nullopt;
       }},
      {v1::QUANTITY_EVALUATION_SPREAD,
       [](const Metrics& metrics) { return metrics.has_spread() ? std::optional(metrics.spread()) : std::nullopt; }},
      {v1::QUANTITY_EVALUATION_BEST_METRIC,
       [](const Metrics& metrics) {
         return metrics.has_best_metric_value() ? std::optional(metrics.best_metric_value()) : std::nullopt;
       }},
      {v1::QUANTITY_EVALUATION_MACRO_F1, [](const Metrics& metrics) { return core::MetricOf(metrics, "macro_f1"); }},
      {v1::QUANTITY_EVALUATION_MACRO_AUC, [](const Metrics& metrics) { return core::MetricOf(metrics, "macro_auc"); }},
      {v1::QUANTITY_EVALUATION_LOG_LOSS, [](const Metrics& metrics) { return core::MetricOf(metrics, "log_loss"); }},
      {v1::QUANTITY_EVALUATION_CALIBRATION_ERROR,
       [](const Metrics& metrics) { return core::MetricOf(metrics, "calibration_error"); }},
      {v1::QUANTITY_EVALUATION_MEAN_ABSOLUTE_ERROR,
       [](const Metrics& metrics) { return core::MetricOf(metrics, "mean_absolute_error"); }},
      {v1::QUANTITY_EVALUATION_ROOT_MEAN_SQUARED_ERROR,
       [](const Metrics& metrics) { return core::MetricOf(metrics, "root_mean_squared_error"); }},
      {v1::QUANTITY_EVALUATION_R2, [](const Metrics& metrics) { return core::MetricOf(metrics, "r2"); }},
  };
};

template <>
struct Columns<v1::LayerStatistics> {
  using Layer = v1::LayerStatistics;
  static constexpr Column<Layer> kAll[] = {
      {v1::QUANTITY_MEAN, [](const Layer& layer) { return std::optional<double>(layer.mean()); }},
      {v1::QUANTITY_STD, [](const Layer& layer) { return std::optional<double>(layer.std()); }},
      {v1::QUANTITY_MIN, [](const Layer& layer) { return std::optional<double>(layer.min()); }},
      {v1::QUANTITY_MAX, [](const Layer& layer) { return std::optional<double>(layer.max()); }},
      {v1::QUANTITY_ZERO_FRACTION, [](const Layer& layer) { return std::optional<double>(layer.zero_fraction()); }},
      {v1::QUANTITY_SATURATED_FRACTION,
       [](const Layer& layer) {
         return layer.has_saturated_fraction() ? std::optional<double>(layer.saturated_fraction()) : std::nullopt;
       }},
      {v1::QUANTITY_DEAD_FRACTION,
       [](const Layer& layer) {
         const bool known = layer.has_dead_units() && layer.units() > 0;
         return known ? std::optional(static_cast<double>(layer.dead_units()) / static_cast<double>(layer.units()))
                      : std::nullopt;
       }},
      {v1::QUANTITY_NON_FINITE,
       [](const Layer& layer) {
         return std::optional(static_cast<double>(layer.nan_count()) + static_cast<double>(layer.inf_count()));
       }},
  };
};

template <>
struct Columns<v1::ParameterStatistics> {
  using Tensor = v1::ParameterStatistics;
  static constexpr Column<Tensor> kAll[] = {
      {v1::QUANTITY_WEIGHT_NORM, [](const Tensor& tensor) { return std::optional<double>(tensor.weight_norm()); }},
      {v1::QUANTITY_WEIGHT_MEAN, [](const Tensor& tensor) { return std::optional<double>(tensor.weight_mean()); }},
      {v1::QUANTITY_WEIGHT_STD, [](const Tensor& tensor) { return std::optional<double>(tensor.weight_std()); }},
      {v1::QUANTITY_TENSOR_GRADIENT_NORM,
       [](const Tensor& tensor) { return std::optional<double>(tensor.gradient_norm()); }},
      {v1::QUANTITY_TENSOR_GRADIENT_STD,
       [](const Tensor& tensor) { return std::optional<double>(tensor.gradient_std()); }},
      {v1::QUANTITY_UPDATE_RATIO, [](const Tensor& tensor) { return std::optional<double>(tensor.update_ratio()); }},
      {v1::QUANTITY_SPARSITY,
       [](const Tensor& tensor) { return tensor.has_sparsity() ? std::optional(tensor.sparsity()) : std::nullopt; }},
  };
};

template <class Message>
const Column<Message>* FindColumn(v1::Quantity quantity) {
  const auto found = std::find_if(std::begin(Columns<Message>::kAll), std::end(Columns<Message>::kAll),
                                  [&](const Column<Message>& column) { return column.quantity == quantity; });
  return found == std::end(Columns<Message>::kAll) ? nullptr : found;
}

absl::Status TooManyCurves() {
  return absl::ResourceExhaustedError(absl::StrCat("there would be more than ", kMostSeriesPoints / Curve::kFewest,
                                                   " curves: name fewer layers or quantities"));
}

}  // namespace

void CheckSeriesRequest(const v1::GetSeriesRequest& request, const core::FieldErrors& errors) {
  if (request.quantities().empty() && request.max_reports() == 0) {
    errors.At("quantities").Add("is required: which numbers to show");
  }
  absl::flat_hash_set<int> seen;
  for (int i = 0; i < std::min(request.quantities_size(), kMostItems); ++i) {
    const int quantity = request.quantities(i);
    if (!v1::Quantity_IsValid(quantity) || quantity == v1::QUANTITY_UNSPECIFIED) {
      errors.At("quantities", i).Add("is not a quantity");
    } else if (!seen.insert(quantity).second) {
      errors.At("quantities", i).Add("stands there twice");
    }
  }
  if (request.last_step() != 0 && request.last_step() < request.first_step()) {
    errors.At("last_step").Add("is before first_step");
  }
  const int32_t most = request.max_points();
  if (most != 0 && (most < static_cast<int32_t>(Curve::kFewest) || most > kMostPoints)) {
    errors.At("max_points").Add(absl::StrCat("must be from ", Curve::kFewest, " to ", kMostPoints));
  }
  if (request.after_sequence() < 0) errors.At("after_sequence").Add("must not be negative");
  if (request.max_reports() < 0 || request.max_reports() > kMostReports) {
    errors.At("max_reports").Add(absl::StrCat("must be from 0 to ", kMostReports));
  } else if (request.max_reports() > 0 && request.layers().empty()) {
    errors.At("layers").Add("is required with max_reports: whose reports");
  }
}

SeriesBuilder::SeriesBuilder(const v1::GetSeriesRequest& request)
    : request_(request),
      layers_(request.layers().begin(), request.layers().end()),
      most_(static_cast<size_t>(request.max_points() == 0 ? kDefaultPoints : request.max_points())),
      reports_(static_cast<size_t>(request.max_reports()), layers_) {
  if (request.max_reports() > 0) kinds_ |= 1u << v1::EVENT_KIND_STATISTICS;
  const auto ask = [&](Family& family, v1::EventKind kind, Asked asked) {
    family.asked.push_back(asked);
    kinds_ |= 1u << kind;
  };
  for (int i = 0; i < request.quantities_size(); ++i) {
    const Asked asked = {request.quantities(i), i};
    if (FindColumn<v1::Event>(asked.quantity) != nullptr) ask(job_, v1::EVENT_KIND_TRAIN, asked);
    if (FindColumn<v1::EvaluationMetrics>(asked.quantity) != nullptr) {
      ask(splits_, v1::EVENT_KIND_EVALUATION, asked);
      kinds_ |= 1u << v1::EVENT_KIND_TEST;
    }
    if (FindColumn<v1::LayerStatistics>(asked.quantity) != nullptr) ask(of_layers_, v1::EVENT_KIND_STATISTICS, asked);
    if (FindColumn<v1::ParameterStatistics>(asked.quantity) != nullptr) ask(tensors_, v1::EVENT_KIND_STATISTICS, asked);
  }
}

SeriesBuilder::Owner& SeriesBuilder::OwnerOf(Family& family, const std::string& name) {
  Owner*& owner = family.by_name[name];
  if (owner == nullptr) {
    family.owners.push_back(std::make_unique<Owner>(Owner{name, std::vector<Curve>(family.asked.size())}));
    owner = family.owners.back().get();
  }
  return *owner;
}

template <class Message>
void SeriesBuilder::AddTo(Family& family, const std::string& name, uint64_t step, const Message& message) {
  if (family.asked.empty()) return;
  Owner& owner = OwnerOf(family, name);
  for (size_t i = 0; i < family.asked.size(); ++i) {
    const std::optional<double> value = FindColumn<Message>(family.asked[i].quantity)->read(message);
    if (!value.has_value()) continue;
    Curve& curve = owner.curves[i];
    total_ -= curve.points().size();
    curve.Add({.step = step, .value = *value}, most_);
    total_ += curve.points().size();
  }
}

absl::Status SeriesBuilder::Add(const v1::Event& event) {
  if (event.has_log()) ++damaged_;  // Nobody asks for lines of the log: it stands in place of an event.
  if (event.step() < request_.first_step()) return absl::OkStatus();
  if (request_.last_step() != 0 && event.step() > request_.last_step()) return absl::OkStatus();
  if (event.has_train()) AddTo(job_, "", event.step(), event);
  if (event.has_evaluation()) AddTo(splits_, event.evaluation().split(), event.step(), event.evaluation());
  if (event.has_test()) AddTo(splits_, event.test().split(), event.step(), event.test());
  reports_.Add(event);
  for (const v1::LayerStatistics& layer : event.statistics().layers()) {
    if (IsWanted(layer.layer())) AddTo(of_layers_, layer.layer(), event.step(), layer);
  }
  for (const v1::ParameterStatistics& tensor : event.statistics().parameters()) {
    if (IsWanted(LayerOf(tensor.name()))) AddTo(tensors_, tensor.name(), event.step(), tensor);
  }
  return Bound();
}

// Called after each event: what one of them can add is small beside the bound.
absl::Status SeriesBuilder::Bound() {
  while (total_ > kMostSeriesPoints) {
    if (most_ == Curve::kFewest) return TooManyCurves();
    most_ = std::max(Curve::kFewest, most_ / 4 * 3);
    total_ = 0;
    ForEachCurve([&](Curve& curve) {
      curve.Limit(most_);
      total_ += curve.points().size();
    });
  }
  return absl::OkStatus();
}

template <class Do>
void SeriesBuilder::ForEachCurve(const Do& work) {
  for (Family* family : {&job_, &splits_, &of_layers_, &tensors_}) {
    for (const std::unique_ptr<Owner>& owner : family->owners) {
      for (Curve& curve : owner->curves) work(curve);
    }
  }
}

v1::Series SeriesBuilder::Build() const {
  v1::Series series;
  series.set_max_points(static_cast<int32_t>(most_));
  series.set_damaged_events(damaged_);
  for (v1::Series::Report& report : reports_.Take()) *series.add_reports() = std::move(report);
  for (int place = 0; place < request_.quantities_size(); ++place) {
    for (const Family* family : {&job_, &splits_, &of_layers_, &tensors_}) {
      const auto asked = std::find_if(family->asked.begin(), family->asked.end(),
                                      [&](const Asked& one) { return one.place == place; });
      if (asked == family->asked.end()) continue;
      for (const std::unique_ptr<Owner>& owner : family->owners) {
        const Curve& curve = owner->curves[static_cast<size_t>(asked - family->asked.begin())];
        if (curve.points().empty()) continue;
        v1::Series::Curve& shown = *series.add_curves();
        shown.set_quantity(asked->quantity);
        shown.set_of(owner->name);
        shown.set_bucket_steps(curve.bucket_steps());
        shown.set_total(curve.total());
        for (const Curve::Point& point : curve.points()) {
          shown.add_steps(point.step);
          shown.add_values(point.value);
        }
      }
    }
  }
  return series;
}

absl::StatusOr<v1::Series> ReadSeries(const v1::GetSeriesRequest& request, EventLog& log, JobKey key,
                                      int64_t last_sequence, const std::function<absl::Status()>& check) {
  SeriesBuilder builder(request);
  JobStore::ReadOptions read;
  read.kinds = builder.kinds();
  read.after_sequence = request.after_sequence();
  while (read.after_sequence < last_sequence) {
    if (absl::Status status = check(); !status.ok()) return status;
    const auto batch = log.Read(key, read);
    if (!batch.ok()) return batch.status();
    if (batch->last_scanned == read.after_sequence) break;
    read.after_sequence = batch->last_scanned;
    for (const auto& event : batch->events) {
      if (absl::Status status = builder.Add(*event); !status.ok()) return status;
    }
  }
  v1::Series series = builder.Build();
  series.set_last_sequence(read.after_sequence);
  return series;
}

}  // namespace traind::server
