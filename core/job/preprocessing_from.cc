#include "core/job/preprocessing_from.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/kind.h"
#include "core/data/held_out.h"
#include "core/data/input_pipeline.h"
#include "core/job/resolve_data.h"
#include "google/protobuf/util/message_differencer.h"

namespace traind::core {
namespace {

using google::protobuf::util::MessageDifferencer;
using From = v1::InitialWeights;

// What the preprocessing is and sees, with the defaults that this version knows.
struct Seen {
  v1::DataSpec data;
  Shape shape;
};

Seen SeenBy(const v1::JobSpec& resolved) {
  FieldErrors::Root none;  // It was accepted.
  Seen seen{.data = resolved.data(), .shape = {}};
  const Shape stored = StoredShape(resolved);
  seen.shape = InputPipeline::Create(seen.data, &stored, none.scope()).augmented_shape();
  return seen;
}

std::string Listed(const v1::DataSpec& data) {
  if (data.preprocessing().empty()) return "none";
  return absl::StrJoin(data.preprocessing(), ", ", [](std::string* out, const v1::Preprocessing& one) {
    absl::StrAppend(out, std::string(KindName(one)));
  });
}

// Why the model's preprocessing cannot be the job's; empty: it can.
std::string Obstacle(const v1::JobSpec& spec, const ModelOrigin& model) {
  if (model.spec == nullptr) return "an uploaded model has no preprocessing";
  const Seen job = SeenBy(spec), before = SeenBy(*model.spec);
  const bool same_list = std::equal(job.data.preprocessing().begin(), job.data.preprocessing().end(),
                                    before.data.preprocessing().begin(), before.data.preprocessing().end(),
                                    [](const auto& a, const auto& b) { return MessageDifferencer::Equals(a, b); });
  if (!same_list) {
    return absl::StrCat("the model was trained with another preprocessing (", Listed(before.data), ") than the job's (",
                        Listed(job.data), ")");
  }
  if (model.learned && job.shape != before.shape) {
    return absl::StrCat("the model's preprocessing was fitted on examples of ", ToString(before.shape),
                        ", the job's are ", ToString(job.shape));
  }
  return "";
}

// What the numbers of a preprocessing are fitted on.
bool FittedOnTheSame(const v1::JobSpec& spec, const v1::DataIdentity& data, const ModelOrigin& model) {
  const auto checksum = [](const v1::DataIdentity& identity, const std::string& name) -> std::string {
    for (const auto& split : identity.splits()) {
      if (split.name() == name) return split.checksum();
    }
    return "";
  };
  if (!model.trained_on.has_value()) return false;
  const v1::DataSpec &now = spec.data(), &then = model.spec->data();
  const std::string here = checksum(data, now.train_split());
  return !here.empty() && here == checksum(*model.trained_on, then.train_split()) &&
         now.max_train_examples() == then.max_train_examples() && HoldsOutTheSame(now, then);
}

}  // namespace

std::vector<std::string> ResolvePreprocessingFrom(v1::JobSpec& spec, const v1::DataIdentity& data,
                                                  const ModelOrigin& model, const FieldErrors& errors) {
  v1::InitialWeights& from = *spec.mutable_initial_weights();
  const auto wanted = from.preprocessing_from();
  const std::string obstacle = Obstacle(spec, model);
  if (wanted == From::PREPROCESSING_FROM_MODEL && !obstacle.empty()) {
    errors.At("preprocessing_from").Add(absl::StrCat("MODEL is not possible: ", obstacle, "; say DATA"));
    return {};
  }
  const bool of_model = wanted != From::PREPROCESSING_FROM_DATA && obstacle.empty();
  from.set_preprocessing_from(of_model ? From::PREPROCESSING_FROM_MODEL : From::PREPROCESSING_FROM_DATA);
  if (!obstacle.empty()) {
    if (model.spec == nullptr && spec.data().preprocessing().empty()) return {};
    return {absl::StrCat("the preprocessing is fitted on this job's data, which the initial weights may not know: ",
                         obstacle)};
  }
  if (!model.learned || FittedOnTheSame(spec, data, model)) return {};
  const std::string other = model.spec->data().dataset();
  return {of_model
              ? absl::StrCat("the preprocessing stays as it was fitted on ", other,
                             ", with which the initial weights were trained; preprocessing_from: DATA fits it anew")
              : absl::StrCat("the preprocessing is fitted anew on ", data.dataset(),
                             ": the initial weights were trained with that of ", other)};
}

}  // namespace traind::core
