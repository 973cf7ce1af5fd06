#include "core/job/members_match.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/listing.h"
#include "core/base/registry.h"
#include "core/data/held_out.h"
#include "core/graph/graph.h"
#include "core/job/resolve_data.h"
#include "core/kinds/loss.h"
#include "google/protobuf/util/message_differencer.h"

namespace traind::core {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr size_t kNamesListed = 10;

// What a network's outputs are.
struct Outputs {
  int64_t count = 0;
  OutputMeaning meaning = OutputMeaning::kValues;
  bool operator==(const Outputs&) const = default;
};

Outputs OutputsOf(const v1::JobSpec& spec) {
  FieldErrors::Root reported;  // The job was checked.
  v1::Network network = spec.network();
  v1::Loss config = spec.loss();
  const auto graph = Graph::Build(network, reported.scope());
  const auto loss = Registry<Loss>::Get().Create(config, reported.scope());
  if (graph == nullptr || loss == nullptr) return {};
  return {.count = Elements(graph->output().output), .meaning = loss->output_meaning()};
}

std::string NameOf(OutputMeaning meaning) {
  switch (meaning) {
    case OutputMeaning::kLogits:
      return "logits";
    case OutputMeaning::kLogOdds:
      return "log odds";
    case OutputMeaning::kScores:
      return "scores";
    case OutputMeaning::kLogRates:
      return "logarithms of counts";
    case OutputMeaning::kValues:
      return "values";
  }
  return "outputs";
}

template <class Names>
void CheckNames(absl::string_view what, const Names& first, const Names& names, const FieldErrors& errors) {
  if (std::equal(first.begin(), first.end(), names.begin(), names.end())) return;
  const auto listed = [](const Names& all) {
    return all.empty() ? "without names" : Listing(std::vector<std::string>(all.begin(), all.end()), kNamesListed);
  };
  errors.Add(absl::StrCat("has other ", what, " than members[0], or in another order: ", listed(names), "; there ",
                          listed(first)));
}

// A field that does not change what a network with given weights does.
class Beginnings : public MessageDifferencer::IgnoreCriteria {
 public:
  bool IsIgnored(const google::protobuf::Message&, const google::protobuf::Message&,
                 const google::protobuf::FieldDescriptor* field,
                 const std::vector<MessageDifferencer::SpecificField>&) override {
    const auto* const type = field->message_type();
    return type == v1::Initializer::descriptor() || type == v1::Regularizer::descriptor() ||
           field->name() == "unregularized";
  }
};

}  // namespace

void CheckMembers(const v1::JobSpec& first, const std::optional<v1::DataIdentity>& first_data, const v1::JobSpec& spec,
                  const std::optional<v1::DataIdentity>& data, const FieldErrors& errors) {
  const Shape stored = StoredShape(spec), expected = StoredShape(first);
  if (stored != expected) {
    errors.Add(absl::StrCat("reads examples of ", ToString(stored), ", members[0] of ", ToString(expected)));
  }
  const Outputs outputs = OutputsOf(spec), of_first = OutputsOf(first);
  if (outputs != of_first) {
    errors.Add(absl::StrCat("gives ", outputs.count, " ", NameOf(outputs.meaning), ", members[0] ", of_first.count, " ",
                            NameOf(of_first.meaning)));
  }
  if (spec.data().targets() != first.data().targets()) errors.Add("has other targets than members[0]");
  if (!data.has_value() || !first_data.has_value()) return;
  if (data->element_type() != first_data->element_type()) {
    errors.Add("was trained on examples of another type (bytes or floats) than members[0]");
  }
  if (data->num_classes() != first_data->num_classes() || data->target_width() != first_data->target_width()) {
    errors.Add(absl::StrCat("was trained on ", data->num_classes(), " classes and ", data->target_width(),
                            " targets, members[0] on ", first_data->num_classes(), " and ",
                            first_data->target_width()));
    return;
  }
  CheckNames("classes", first_data->class_names(), data->class_names(), errors);
  CheckNames("features", first_data->feature_names(), data->feature_names(), errors);
  CheckNames("target columns", first_data->target_columns(), data->target_columns(), errors);
}

void CheckSameNetwork(const v1::JobSpec& first, const v1::JobSpec& spec, const FieldErrors& errors) {
  MessageDifferencer differencer;
  std::string difference;
  differencer.AddIgnoreCriteria(new Beginnings);
  differencer.set_report_ignores(false);
  differencer.ReportDifferencesToString(&difference);
  if (!differencer.Compare(first.network(), spec.network())) {
    errors.Add(
        absl::StrCat("has another network than members[0], and a mean of weights needs equal ones (mean OUTPUTS "
                     "does not): ",
                     difference.substr(0, difference.find('\n'))));
    return;
  }
  for (int i = 0; i < std::max(first.data().preprocessing_size(), spec.data().preprocessing_size()); ++i) {
    if (i < first.data().preprocessing_size() && i < spec.data().preprocessing_size() &&
        MessageDifferencer::Equals(first.data().preprocessing(i), spec.data().preprocessing(i))) {
      continue;
    }
    errors.Add(absl::StrCat("has another preprocessing than members[0], at data.preprocessing[", i, "]"));
    return;
  }
}

bool HeldOutTogether(const v1::DataSpec& first, const v1::DataSpec& member) {
  const bool same = first.dataset() == member.dataset();
  if (!HoldsOut(first)) return !same || first.evaluation_split() != member.train_split();
  return same && first.train_split() == member.train_split() && HoldsOutTheSame(first, member);
}

void ForgetHeldOut(v1::DataSpec& data) {
  data.clear_validation_fraction();
  data.clear_folds();
  data.clear_evaluation_split();
}

bool ForgotHeldOut(const v1::DataSpec& data) { return data.evaluation_split().empty(); }

}  // namespace traind::core
