#include "core/insight/resolve.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/kind.h"
#include "core/insight/profiles.h"

namespace traind::core {
namespace {

using Names = google::protobuf::RepeatedPtrField<std::string>;

void CheckNames(const Names& names, const std::string& field, const FieldErrors& errors) {
  const std::vector<std::string> known = RuleNames();
  for (int i = 0; i < names.size(); ++i) {
    if (std::find(known.begin(), known.end(), names[i]) != known.end()) continue;
    errors.At(field, i).Add(
        absl::StrCat("there is no rule \"", names[i], "\"; there are ", absl::StrJoin(known, ", ")));
  }
}

bool Contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The thresholds of this rule among them; null: there are none.
const v1::Rule* Of(const v1::InsightSpec& spec, v1::Rule::KindCase kind) {
  const auto found = std::find_if(spec.thresholds().begin(), spec.thresholds().end(),
                                  [&](const v1::Rule& rule) { return rule.kind_case() == kind; });
  return found == spec.thresholds().end() || kind == v1::Rule::KIND_NOT_SET ? nullptr : &*found;
}

// What the job leaves open is as the profile has it. The job's own thresholds come first, and keep their places.
void StandOn(const v1::InsightSpec& base, v1::InsightSpec& spec) {
  if (spec.rules().empty()) *spec.mutable_rules() = base.rules();
  for (v1::Rule& rule : *spec.mutable_thresholds()) {
    const v1::Rule* same = Of(base, rule.kind_case());
    if (same == nullptr) continue;
    v1::Rule merged = *same;
    merged.MergeFrom(rule);
    rule = std::move(merged);
  }
  for (const v1::Rule& rule : base.thresholds()) {
    if (Of(spec, rule.kind_case()) == nullptr) *spec.add_thresholds() = rule;
  }
  if (!spec.has_warn_while_improving() && base.has_warn_while_improving()) {
    spec.set_warn_while_improving(base.warn_while_improving());
  }
}

}  // namespace

std::vector<std::string> RuleNames() {
  std::vector<std::string> names;
  const auto* kinds = v1::Rule::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    const auto& entries = Registry<Rule>::Get().entries();
    if (entries.count(kinds->field(i)->message_type()->full_name()) > 0) names.push_back(kinds->field(i)->name());
  }
  return names;
}

Rules ResolveInsight(v1::InsightSpec& spec, const FieldErrors& errors) {
  if (spec.profile() == v1::InsightSpec::PROFILE_UNSPECIFIED) spec.set_profile(v1::InsightSpec::PROFILE_DEFAULT);
  CheckNames(spec.rules(), "rules", errors);
  CheckNames(spec.skip(), "skip", errors);
  StandOn(BaseOf(spec.profile()), spec);
  std::map<std::string, std::unique_ptr<const Rule>> made;
  for (int i = 0; i < spec.thresholds_size(); ++i) {
    v1::Rule& rule = *spec.mutable_thresholds(i);
    const FieldErrors at = errors.At("thresholds", i);
    auto one = Registry<Rule>::Get().Create(rule, at);
    if (one != nullptr && !made.emplace(KindName(rule), std::move(one)).second) {
      at.Add(absl::StrCat("the thresholds of ", KindName(rule), " are there already"));
    }
  }
  Rules rules;
  for (const std::string& name : RuleNames()) {
    if (Contains(spec.skip(), name) || (!spec.rules().empty() && !Contains(spec.rules(), name))) continue;
    auto found = made.find(name);
    if (found != made.end()) {
      rules.emplace_back(name, std::move(found->second));
      continue;
    }
    v1::Rule rule;
    const auto* field = v1::Rule::descriptor()->FindFieldByName(name);
    rule.GetReflection()->MutableMessage(&rule, field);
    FieldErrors::Root none;
    rules.emplace_back(name, Registry<Rule>::Get().Create(rule, none.scope()));
  }
  std::stable_sort(rules.begin(), rules.end(),
                   [](const auto& a, const auto& b) { return a.second->traits().family < b.second->traits().family; });
  return rules;
}

}  // namespace traind::core
