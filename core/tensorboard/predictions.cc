#include "core/tensorboard/predictions.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/tensorboard/wire.h"

namespace traind::tensorboard {
namespace {

bool Surer(const Mistake& a, const Mistake& b) { return a.sure != b.sure ? a.sure > b.sure : a.example < b.example; }

// The last threshold that is not above the probability.
int64_t ThresholdOf(float probability) {
  const double at = std::floor(static_cast<double>(probability) * (kThresholds - 1));
  return static_cast<int64_t>(std::clamp<double>(at, 0, kThresholds - 1));
}

double Ratio(int64_t part, int64_t rest) {
  return part == 0 ? 0 : static_cast<double>(part) / static_cast<double>(part + rest);
}

absl::Status Unsound(const std::string& what) {
  return absl::InternalError(absl::StrCat("the server's answer has ", what));
}

// "98.5 %", or a score as it is.
std::string Sureness(float sure, bool probable) {
  return probable ? absl::StrCat(std::round(sure * 1000.0) / 10, " %") : absl::StrCat("a score of ", sure);
}

}  // namespace

PredictionTally::PredictionTally(int64_t outputs)
    : outputs_(outputs), counts_(static_cast<size_t>(std::min(outputs, kMostCurves) * 2 * kThresholds)) {}

int64_t PredictionTally::curves() const { return probable_ ? std::min(outputs_, kMostCurves) : 0; }

absl::Status PredictionTally::Add(const v1::PredictResponse& part) {
  if (absl::Status status = Check(part); !status.ok()) return status;
  probable_ = !part.probabilities().empty();
  for (int64_t i = 0; i < part.shape(0); ++i) {
    if (absl::Status status = Count(part, i); !status.ok()) return status;
  }
  examples_ += part.shape(0);
  return absl::OkStatus();
}

absl::Status PredictionTally::Check(const v1::PredictResponse& part) const {
  if (part.shape_size() != 2 || part.shape(0) < 1 || part.shape(1) != outputs_ ||
      part.outputs_size() / outputs_ != part.shape(0) || part.outputs_size() % outputs_ != 0) {
    return Unsound("outputs of another shape than it says");
  }
  if (part.classes().empty()) {
    return absl::InvalidArgumentError("the network is no classifier: its outputs are numbers, of no classes");
  }
  if (outputs_ == 1) {
    return absl::InvalidArgumentError(
        "the network has one output for two classes, and what is drawn here needs one for each");
  }
  if (part.labels().empty()) return absl::InvalidArgumentError("the split has no labels to compare with");
  if (part.classes_size() != part.shape(0) || part.labels_size() != part.shape(0)) {
    return Unsound("not one class and one label for each example");
  }
  const bool probable = !part.probabilities().empty();
  if ((probable && part.probabilities_size() != part.outputs_size()) || (examples_ > 0 && probable != probable_)) {
    return Unsound("probabilities for a part of the outputs");
  }
  return absl::OkStatus();
}

absl::Status PredictionTally::Count(const v1::PredictResponse& part, int64_t i) {
  const int64_t label = part.labels(static_cast<int>(i)), said = part.classes(static_cast<int>(i));
  const int64_t example = part.first() + i;
  if (std::min(label, said) < 0 || std::max(label, said) >= outputs_) {
    return Unsound(absl::StrCat("a class for example ", example, " that is none of the ", outputs_, " outputs"));
  }
  const float* const row = (probable_ ? part.probabilities() : part.outputs()).data() + i * outputs_;
  if (!std::all_of(row, row + outputs_, [](float x) { return std::isfinite(x); })) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the outputs for example ", example, " are not finite numbers: such weights can't be judged by predictions"));
  }
  for (int64_t c = 0; c < curves(); ++c) {
    ++counts_[static_cast<size_t>((2 * c + (label == c ? 0 : 1)) * kThresholds + ThresholdOf(row[c]))];
  }
  if (said != label) Keep({.example = example, .label = label, .said = said, .sure = row[said]});
  return absl::OkStatus();
}

void PredictionTally::Keep(const Mistake& mistake) {
  ++wrong_;
  mistakes_.insert(std::upper_bound(mistakes_.begin(), mistakes_.end(), mistake, Surer), mistake);
  if (mistakes_.size() > kMostMistakes) mistakes_.pop_back();
}

std::vector<float> PredictionTally::Curve(int64_t label) const {
  const int64_t* const of_class = counts_.data() + 2 * label * kThresholds;
  const int64_t* const of_others = of_class + kThresholds;
  int64_t positives = 0, negatives = 0;
  for (int64_t i = 0; i < kThresholds; ++i) {
    positives += of_class[i];
    negatives += of_others[i];
  }
  std::vector<float> curve(6 * kThresholds);
  int64_t hits = 0, alarms = 0;
  for (int64_t i = kThresholds - 1; i >= 0; --i) {
    hits += of_class[i];
    alarms += of_others[i];
    const double column[] = {static_cast<double>(hits),
                             static_cast<double>(alarms),
                             static_cast<double>(negatives - alarms),
                             static_cast<double>(positives - hits),
                             Ratio(hits, alarms),
                             Ratio(hits, positives - hits)};
    for (int64_t row = 0; row < 6; ++row) {
      curve[static_cast<size_t>(row * kThresholds + i)] = static_cast<float>(column[row]);
    }
  }
  return curve;
}

PredictionRecords::PredictionRecords(const v1::Job& job, const v1::Checkpoint& checkpoint, const std::string& split)
    : job_(job), checkpoint_(checkpoint), split_(split) {}

std::string PredictionRecords::NameOf(int64_t label) const {
  const auto& names = job_.trained_on().class_names();
  return label < names.size() ? names[static_cast<int>(label)] : absl::StrCat(label);
}

std::string PredictionRecords::Begin() const { return FramedVersion(Seconds(checkpoint_.create_time()), job_.uid()); }

std::string PredictionRecords::Curve(const PredictionTally& tally, int64_t label) const {
  Record record;
  record.set_step(static_cast<int64_t>(checkpoint_.step()));
  Summary::Value& value = *record.mutable_summary()->add_value();
  value.set_tag(absl::StrCat("pr_curves/", NameOf(label)));
  auto& metadata = *value.mutable_metadata();
  metadata.set_display_name(NameOf(label));
  metadata.set_summary_description(absl::StrCat(NameOf(label), " against all other classes, on ", tally.examples(),
                                                " examples of ", split_, ", by ", checkpoint_.name()));
  PrecisionRecall content;
  content.set_num_thresholds(kThresholds);
  metadata.mutable_plugin_data()->set_plugin_name("pr_curves");
  metadata.mutable_plugin_data()->set_content(Bytes(content));
  Tensor& tensor = *value.mutable_tensor();
  tensor.set_dtype(1);
  const std::vector<float> curve = tally.Curve(label);
  tensor.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(curve.size()) / kThresholds);
  tensor.mutable_tensor_shape()->add_dim()->set_size(kThresholds);
  tensor.mutable_float_val()->Assign(curve.begin(), curve.end());
  return Framed(std::move(record), Seconds(checkpoint_.create_time()), job_.uid(), 0);
}

std::string PredictionRecords::Mistaken(const PredictionTally& tally, const Mistake& mistake, const Picture& picture) {
  const std::string is = NameOf(mistake.label), said = NameOf(mistake.said);
  Record record;
  record.set_step(static_cast<int64_t>(checkpoint_.step()));
  Summary::Value& value = *record.mutable_summary()->add_value();
  const std::string pair = absl::StrCat("mistakes/", is, "_as_", said);
  value.set_tag(absl::StrCat(pair, "/", pictures_[pair]++));
  value.mutable_metadata()->set_summary_description(absl::StrCat(
      "Example ", mistake.example, " of ", split_, ": ", is, ", taken for ", said, " with ",
      Sureness(mistake.sure, tally.probable()), " by ", checkpoint_.name(),
      picture.stretched ? ". Its numbers are floats, of which black is the least and white the largest shown" : ""));
  value.mutable_metadata()->mutable_plugin_data()->set_plugin_name("images");
  Tensor& tensor = *value.mutable_tensor();
  tensor.set_dtype(7);
  for (const std::string& part : {absl::StrCat(picture.width), absl::StrCat(picture.height), picture.png}) {
    tensor.add_string_val(part);
  }
  tensor.mutable_tensor_shape()->add_dim()->set_size(tensor.string_val_size());
  return Framed(std::move(record), Seconds(checkpoint_.create_time()), job_.uid(), 0);
}

}  // namespace traind::tensorboard
