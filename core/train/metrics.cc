#include "core/train/metrics.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/metrics_size.h"
#include "core/train/calibration.h"
#include "core/train/class_metrics.h"
#include "core/train/softmax.h"

namespace traind::core {
namespace {

constexpr int64_t kMostTopK = 10;

// -log of a probability, of which none below the least float counts.
double Surprise(double log_p) { return -std::max(log_p, std::log(double{FLT_MIN})); }

// log sigmoid(x), without overflow.
double LogSigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

// One class of an example.
class OfLabels final : public Metrics {
 public:
  explicit OfLabels(const Task& task)
      : meaning_(task.meaning),
        outputs_(task.outputs),
        binary_(IsBinary(task.meaning, task.outputs)),
        classes_(ClassesOf(task.meaning, task.outputs)),
        counts_(classes_),
        scores_(classes_, task.examples),
        within_(static_cast<size_t>(std::min(kMostTopK, classes_))),
        confusion_(static_cast<size_t>(classes_ <= kMostConfusedClasses ? classes_ * classes_ : 0)) {}

  void Add(const float* output, const Targets& targets, int64_t n) override {
    for (int64_t i = 0; i < n; ++i, output += outputs_) AddOne(output, targets.labels[i]);
  }

  void Report(v1::EvaluationMetrics& metrics) const override {
    v1::ClassificationMetrics& out = *metrics.mutable_classification();
    const auto n = static_cast<double>(examples_);
    int64_t within = 0;
    for (int64_t more : within_) out.add_top_k_accuracy(static_cast<double>(within += more) / n);
    ReportClasses(counts_, out);
    scores_.Report(out);
    if (has_probabilities()) {
      out.set_log_loss(log_loss_ / n);
      out.set_calibration_error(calibration_.Error());
    } else if (meaning_ == OutputMeaning::kLogOdds) {
      out.add_notes("no log loss and no calibration error: the probabilities of the classes need not sum to 1");
    }
    out.mutable_confusion()->Assign(confusion_.begin(), confusion_.end());
    if (confusion_.empty()) {
      out.add_notes(absl::StrCat("no confusion matrix: ", classes_, " classes are more than ", kMostConfusedClasses));
    }
  }

 private:
  bool has_probabilities() const { return meaning_ == OutputMeaning::kLogits || binary_; }

  void AddOne(const float* row, int32_t label) {
    ++examples_;
    const int64_t answer = AnswerOf(meaning_, row, outputs_);
    ++counts_.examples[label];
    if (answer >= 0) {
      ++counts_.answers[answer];
      if (answer == label) ++counts_.right[label];
      if (!confusion_.empty()) ++confusion_[label * classes_ + answer];
      CountRank(row, label, answer);
    }
    double shift = 0;  // log p = output - shift
    if (meaning_ == OutputMeaning::kLogits) shift = LogSum(row);
    if (has_probabilities()) {
      log_loss_ += Surprise(LogP(row, shift, label));
      if (answer >= 0) calibration_.Add(std::exp(LogP(row, shift, answer)), answer == label);
    }
    if (!scores_.kept()) return;
    scores_.Begin();
    for (int64_t c = 0; c < classes_; ++c) {
      // Logarithms tell apart what rounds to 1.
      const double score = binary_ ? (c == 1 ? row[0] : -row[0]) : row[c] - shift;
      scores_.Set(c, static_cast<float>(score), c == label);
    }
  }

  void CountRank(const float* row, int32_t label, int64_t answer) {
    int64_t rank = binary_ && answer != label ? 1 : 0;
    for (int64_t c = 0; c < outputs_ && !binary_; ++c) {
      rank += row[c] > row[label] || (row[c] == row[label] && c < label) ? 1 : 0;
    }
    if (rank < static_cast<int64_t>(within_.size())) ++within_[rank];
  }

  double LogSum(const float* row) const {
    const double largest = double{*std::max_element(row, row + outputs_)};
    double sum = 0;
    for (int64_t c = 0; c < outputs_; ++c) sum += std::exp(row[c] - largest);
    return largest + std::log(sum);
  }
  double LogP(const float* row, double shift, int64_t c) const {
    return binary_ ? LogSigmoid(c == 1 ? double{row[0]} : -double{row[0]}) : row[c] - shift;
  }

  const OutputMeaning meaning_;
  const int64_t outputs_;
  const bool binary_;
  const int64_t classes_;
  ClassCounts counts_;
  ScoresOfClasses scores_;
  std::vector<int64_t> within_;  // Examples whose class has the k-th largest output.
  std::vector<int64_t> confusion_;
  Calibration calibration_;
  double log_loss_ = 0;
  int64_t examples_ = 0;
};

// Each output answers yes or no for itself.
class OfManyLabels final : public Metrics {
 public:
  explicit OfManyLabels(const Task& task)
      : outputs_(task.outputs), counts_(task.outputs), scores_(task.outputs, task.examples) {}

  void Add(const float* output, const Targets& targets, int64_t n) override {
    const float* target = targets.values;
    for (int64_t i = 0; i < n; ++i, output += outputs_, target += outputs_) {
      ++examples_;
      if (scores_.kept()) scores_.Begin();
      bool all = true;
      for (int64_t c = 0; c < outputs_; ++c) all &= AddOne(c, output[c], target[c]);
      exact_ += all ? 1 : 0;
    }
  }

  void Report(v1::EvaluationMetrics& metrics) const override {
    v1::ClassificationMetrics& out = *metrics.mutable_classification();
    const double n = static_cast<double>(examples_), labels = n * static_cast<double>(outputs_);
    ReportClasses(counts_, out);
    scores_.Report(out);
    out.set_log_loss(log_loss_ / labels);
    out.set_calibration_error(calibration_.Error());
    out.set_label_accuracy(static_cast<double>(right_) / labels);
    out.set_exact_match(static_cast<double>(exact_) / n);
  }

 private:
  // Returns whether the answer is right.
  bool AddOne(int64_t c, float x, float target) {
    const bool has_it = target > 0.5f, yes = x > 0;
    const bool right = has_it == yes && !std::isnan(x);
    counts_.examples[c] += has_it ? 1 : 0;
    counts_.answers[c] += yes ? 1 : 0;
    counts_.right[c] += has_it && yes ? 1 : 0;
    right_ += right ? 1 : 0;
    log_loss_ += target * Surprise(LogSigmoid(x)) + (1 - double{target}) * Surprise(LogSigmoid(-double{x}));
    calibration_.Add(Sigmoid(std::abs(x)), right);
    if (scores_.kept()) scores_.Set(c, x, has_it);
    return right;
  }

  const int64_t outputs_;
  ClassCounts counts_;
  ScoresOfClasses scores_;
  Calibration calibration_;
  double log_loss_ = 0;
  int64_t right_ = 0;
  int64_t exact_ = 0;
  int64_t examples_ = 0;
};

// Numbers. Of each target the sums of errors, and of differences from its first value: their variance is exact to
// rounding however far from zero they are.
class OfNumbers final : public Metrics {
 public:
  explicit OfNumbers(const Task& task)
      : meaning_(task.meaning), outputs_(task.outputs), targets_(static_cast<size_t>(task.outputs)) {}

  void Add(const float* output, const Targets& targets, int64_t n) override {
    for (int64_t k = 0; k < n * outputs_; ++k) {
      Sums& sums = targets_[k % outputs_];
      const double target{targets.values[k]}, error = Answer(output[k]) - target;
      if (examples_ == 0 && k < outputs_) sums.first = target;
      const double difference = target - sums.first;
      sums.absolute += std::abs(error);
      sums.squared += error * error;
      sums.difference += difference;
      sums.difference_squared += difference * difference;
    }
    examples_ += n;
  }

  void Report(v1::EvaluationMetrics& metrics) const override {
    v1::RegressionMetrics& out = *metrics.mutable_regression();
    const auto n = static_cast<double>(examples_);
    double absolute = 0, squared = 0, r2 = 0;
    int with = 0;
    for (const Sums& sums : targets_) {
      absolute += sums.absolute / n;
      squared += sums.squared / n;
      const double variation = sums.difference_squared - sums.difference * sums.difference / n;
      const double own = 1 - sums.squared / variation;
      if (variation > 0) {
        r2 += own;
        ++with;
      }
      if (outputs_ > kMostTargetMetrics) continue;
      v1::TargetMetrics& one = *out.add_targets();
      one.set_mean_absolute_error(sums.absolute / n);
      one.set_root_mean_squared_error(std::sqrt(sums.squared / n));
      if (variation > 0) one.set_r2(own);
    }
    out.set_mean_absolute_error(absolute / static_cast<double>(outputs_));
    out.set_root_mean_squared_error(std::sqrt(squared / static_cast<double>(outputs_)));
    if (with > 0) out.set_r2(r2 / with);
  }

 private:
  struct Sums {
    double first = 0;
    double absolute = 0;
    double squared = 0;
    double difference = 0;
    double difference_squared = 0;
  };

  double Answer(float x) const {
    if (meaning_ == OutputMeaning::kLogRates) return std::exp(double{x});
    return meaning_ == OutputMeaning::kLogOdds ? Sigmoid(x) : double{x};
  }

  const OutputMeaning meaning_;
  const int64_t outputs_;
  std::vector<Sums> targets_;
  int64_t examples_ = 0;
};

}  // namespace

std::unique_ptr<Metrics> Metrics::For(const Task& task) {
  if (task.labels) return std::make_unique<OfLabels>(task);
  switch (task.meaning) {
    case OutputMeaning::kLogits:
    case OutputMeaning::kScores:
      return nullptr;
    case OutputMeaning::kLogOdds:
      if (!task.reconstructs) return std::make_unique<OfManyLabels>(task);
      return std::make_unique<OfNumbers>(task);
    default:
      return std::make_unique<OfNumbers>(task);
  }
}

}  // namespace traind::core
