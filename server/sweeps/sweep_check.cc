#include "server/sweeps/sweep_check.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/search/resolve.h"
#include "core/search/space.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/resources/field_path.h"
#include "server/resources/names.h"
#include "server/resources/request_id.h"
#include "server/services/access_rules.h"

namespace traind::server {
namespace {

using Assignments = google::protobuf::RepeatedPtrField<v1::Assignment>;

constexpr size_t kMostSpecBytes = 1 << 20;
constexpr int kMostLooks = 500;    // Jobs that are checked for one sweep.
constexpr size_t kLongestId = 48;  // So that "-1000" fits behind it.
constexpr int kMostLabels = 64;
constexpr char kNamesStay[] =
    "leads to the name of a dataset or a model, which a sweep cannot change: make one for each";
constexpr const char* kOwnLabels[] = {"sweep", "trial"};

// "space[1].choice.values[2]", "space[1].uniform.high".
core::FieldErrors PlaceOf(const v1::Parameter& parameter, int end, const core::FieldErrors& at) {
  const char* side = end == 0 ? "low" : "high";
  switch (parameter.kind_case()) {
    case v1::Parameter::kUniform:
      return at.At("uniform").At(side);
    case v1::Parameter::kLogUniform:
      return at.At("log_uniform").At(side);
    case v1::Parameter::kInteger:
      return at.At("integer").At(side);
    default:
      return at.At("choice").At("values", end);
  }
}

// The other resources that a job's spec names, as the gate looks at them: a sweep must not change them behind its back.
std::vector<std::string> NamesIn(const v1::JobSpec& spec) {
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  std::vector<std::string> names;
  for (const NamedIn& named : FindAccessRule("CreateJobRequest")->names) {
    for (const FieldValue& value : ValuesAt(request, named.path)) {
      names.push_back(absl::StrCat(value.path, "=", ResourceOf(value.value, named.collection)));
    }
  }
  return names;
}

bool Holds(const v1::SweepSpec& spec) { return spec.has_asha() || spec.has_pbt(); }

// Where a trial with this job holds first.
uint64_t FirstHold(const v1::SweepSpec& spec, const v1::Job& job) {
  const uint64_t epoch = job.progress().steps_per_epoch();
  if (spec.has_asha()) return spec.asha().has_min_epochs() ? spec.asha().min_epochs() * epoch : spec.asha().min_steps();
  return spec.pbt().has_interval_epochs() ? spec.pbt().interval_epochs() * epoch : spec.pbt().interval_steps();
}

core::FieldErrors HoldField(const v1::SweepSpec& spec, const core::FieldErrors& errors) {
  if (spec.has_asha()) return errors.At("asha").At(spec.asha().has_min_epochs() ? "min_epochs" : "min_steps");
  return errors.At("pbt").At(spec.pbt().has_interval_epochs() ? "interval_epochs" : "interval_steps");
}

// Why a job cannot hold there; empty: it can.
std::string WhyNoHold(const v1::SweepSpec& spec, const v1::Job& job) {
  const uint64_t hold = FirstHold(spec, job), total = job.progress().total_steps();
  if (hold >= total) return absl::StrCat("is ", hold, " steps, and must be less than the job's ", total);
  const uint32_t every = job.resolved_spec().evaluation().every_steps();
  if (every > 0 && hold % every == 0) return "";
  return absl::StrCat("is ", hold, " steps, at which no trial is evaluated: ",
                      every == 0 ? "base.evaluation.every_steps is 0" : absl::StrCat("that is every ", every, " steps"),
                      "; make one a multiple of the other");
}

// Why the two cannot be trials of one sweep; empty: they can.
std::string WhyNotAlike(const v1::SweepSpec& spec, const v1::Job& a, const v1::Job& b) {
  const v1::JobProgress &here = a.progress(), &there = b.progress();
  const std::string lengths =
      absl::StrCat("makes a job of ", here.total_steps(), " steps, ", here.steps_per_epoch(),
                   " an epoch, another value one of ", there.total_steps(), " and ", there.steps_per_epoch());
  if (spec.has_asha() && spec.asha().has_min_epochs()) {
    const bool same = here.total_steps() * there.steps_per_epoch() == there.total_steps() * here.steps_per_epoch();
    return same ? "" : absl::StrCat(lengths, ": with asha.min_epochs all trials must have as many epochs");
  }
  if (here.total_steps() != there.total_steps()) {
    return absl::StrCat(lengths, ": with asha.min_steps and pbt all trials must have as many steps");
  }
  if (!spec.has_pbt()) return "";
  if (here.steps_per_epoch() != there.steps_per_epoch()) {
    return absl::StrCat(lengths, ": with pbt all trials must have as many in an epoch");
  }
  // What a fork takes from its parent (core/job/fork.h).
  const v1::JobSpec &one = a.resolved_spec(), &other = b.resolved_spec();
  using google::protobuf::util::MessageDifferencer;
  const bool same_data = std::equal(one.data().preprocessing().begin(), one.data().preprocessing().end(),
                                    other.data().preprocessing().begin(), other.data().preprocessing().end(),
                                    [](const auto& x, const auto& y) { return MessageDifferencer::Equals(x, y); });
  const char* changed = !MessageDifferencer::Equals(one.network(), other.network())                 ? "network"
                        : !same_data                                                                ? "preprocessing"
                        : !MessageDifferencer::Equals(one.lottery_ticket(), other.lottery_ticket()) ? "lottery_ticket"
                                                                                                    : nullptr;
  if (changed == nullptr) return "";
  return absl::StrCat("changes the ", changed, ", which a member of a population cannot do on its way");
}

// One look: the base with one value for each parameter.
class SpaceCheck {
 public:
  SpaceCheck(const v1::SweepSpec& spec, TrialJobs& jobs, TrialJobs::Whose whose, const core::StopCheck& stop,
             const core::FieldErrors& errors)
      : spec_(spec), jobs_(jobs), whose_(std::move(whose)), stop_(stop), errors_(errors) {}

  // All of them. An error that is none of the spec ends it.
  absl::Status Run(std::vector<std::string>& warnings) {
    for (const v1::Parameter& parameter : spec_.space()) ends_.push_back(core::EndsOf(parameter));
    if (absl::Status status = CheckNames(); !status.ok() || errors_.count() > 0) return status;
    std::vector<int> choice(ends_.size(), 0);
    if (absl::Status status = Look(choice, -1); !status.ok() || errors_.count() > 0) return status;
    int64_t all = 1;
    for (const auto& ends : ends_) all += static_cast<int64_t>(ends.size()) - 1;
    for (size_t i = 0; i < ends_.size(); ++i) {
      for (int end = 1; end < static_cast<int>(ends_[i].size()) && looks_ < kMostLooks; ++end) {
        choice[i] = end;
        if (absl::Status status = Look(choice, static_cast<int>(i)); !status.ok()) return status;
      }
      choice[i] = 0;
    }
    if (all > kMostLooks) {
      warnings.push_back(absl::StrCat("of the space's ", all, " values only ", kMostLooks,
                                      " were checked: trials with others may fail"));
    }
    return absl::OkStatus();
  }

  // Of the first look; absent when it had violations.
  const std::optional<v1::Job>& first() const { return first_; }

 private:
  // That no value of any path changes a name, also of those that are not looked at.
  absl::Status CheckNames() {
    const std::vector<std::string> named = NamesIn(spec_.base());
    for (int i = 0; i < spec_.space_size(); ++i) {
      for (int j = 0; j < spec_.space(i).paths_size(); ++j) {
        for (const v1::Assignment& value : ends_[static_cast<size_t>(i)]) {
          if (absl::Status status = core::Ask(stop_); !status.ok()) return status;
          v1::JobSpec spec = spec_.base();
          if (!SetFieldAt(spec, spec_.space(i).paths(j), value.value()).ok()) continue;  // The looks say why.
          if (NamesIn(spec) == named) continue;
          errors_.At("space", i).At("paths", j).Add(kNamesStay);
          break;
        }
      }
    }
    return absl::OkStatus();
  }

  // `varied`: the parameter whose value is not the first one; -1: none.
  absl::Status Look(const std::vector<int>& choice, int varied) {
    ++looks_;
    v1::JobSpec spec = spec_.base();
    const int before = errors_.count();
    for (size_t i = 0; i < ends_.size(); ++i) Assign(static_cast<int>(i), choice[i], varied, spec);
    if (errors_.count() != before) return absl::OkStatus();
    auto job = jobs_.Check(spec, whose_, stop_);
    if (absl::IsInvalidArgument(job.status())) {
      Report(job.status(), choice, varied);
      return absl::OkStatus();
    }
    if (!job.ok()) return job.status();
    CheckHold(*job, choice, varied);
    if (varied < 0) first_ = *std::move(job);
    return absl::OkStatus();
  }

  void Assign(int parameter, int end, int varied, v1::JobSpec& spec) {
    const v1::Parameter& of = spec_.space(parameter);
    const core::FieldErrors at = errors_.At("space", parameter);
    const v1::Assignment& value = ends_[static_cast<size_t>(parameter)][static_cast<size_t>(end)];
    for (int j = 0; j < of.paths_size(); ++j) {
      bool in_path = false;
      const std::vector<std::string> named = NamesIn(spec);
      const absl::Status set = SetFieldAt(spec, of.paths(j), value.value(), &in_path);
      if (varied >= 0 && varied != parameter) continue;  // It was said at the first look.
      if (!set.ok() && in_path) {
        at.At("paths", j).Add(std::string(set.message()));
      } else if (!set.ok()) {
        PlaceOf(of, end, at).Add(std::string(set.message()));
      } else if (NamesIn(spec) != named) {
        at.At("paths", j).Add(kNamesStay);
      }
    }
  }

  // What the job's admission says, where the sweep says it.
  void Report(const absl::Status& status, const std::vector<int>& choice, int varied) {
    rpc::BadRequest violations;
    if (const auto payload = status.GetPayload({core::kBadRequestUrl.data(), core::kBadRequestUrl.size()});
        payload.has_value()) {
      violations.ParseFromString(std::string(*payload));
    }
    if (violations.field_violations().empty()) return ReportOne("", std::string(status.message()), choice, varied);
    for (const auto& violation : violations.field_violations()) {
      std::string field = violation.field();
      absl::string_view path = field;
      if (!absl::ConsumePrefix(&path, "spec.") && path == "spec") path = "";
      ReportOne(std::string(path), violation.description(), choice, varied);
    }
  }

  void ReportOne(const std::string& field, const std::string& what, const std::vector<int>& choice, int varied) {
    int culprit = varied;
    for (int i = 0; culprit < 0 && i < spec_.space_size(); ++i) {
      for (const std::string& path : spec_.space(i).paths()) {
        const bool within = field == path || absl::StartsWith(field, path + ".") || absl::StartsWith(field, path + "[");
        if (within) culprit = i;
      }
    }
    if (culprit < 0) {
      const core::FieldErrors base = errors_.At("base");
      return (field.empty() ? base : base.At(field)).Add(what);
    }
    const auto end = static_cast<size_t>(choice[static_cast<size_t>(culprit)]);
    const std::string& value = ends_[static_cast<size_t>(culprit)][end].value();
    PlaceOf(spec_.space(culprit), static_cast<int>(end), errors_.At("space", culprit))
        .Add(absl::StrCat("with ", value, " ", field.empty() ? "the job" : field, ": ", what));
  }

  // Rungs are the same part of each training, and are evaluated.
  void CheckHold(const v1::Job& job, const std::vector<int>& choice, int varied) {
    if (!Holds(spec_)) return;
    const std::string why = WhyNoHold(spec_, job);
    if (varied < 0) {
      if (!why.empty()) HoldField(spec_, errors_).Add(why);
      return;
    }
    const core::FieldErrors at =
        PlaceOf(spec_.space(varied), choice[static_cast<size_t>(varied)], errors_.At("space", varied));
    if (!why.empty()) at.Add(absl::StrCat("with it the first hold ", why));
    if (const std::string other = WhyNotAlike(spec_, job, *first_); !other.empty()) at.Add(other);
  }

  const v1::SweepSpec& spec_;
  TrialJobs& jobs_;
  const TrialJobs::Whose whose_;
  const core::StopCheck& stop_;
  const core::FieldErrors errors_;
  std::vector<std::vector<v1::Assignment>> ends_;  // By parameter.
  std::optional<v1::Job> first_;
  int looks_ = 0;
};

// Before the looks: rungs that are said in steps are evaluated.
void EvaluateAtHolds(v1::SweepSpec& spec, std::vector<std::string>& warnings) {
  const uint64_t steps = spec.has_asha() ? spec.asha().min_steps() : spec.has_pbt() ? spec.pbt().interval_steps() : 0;
  if (steps == 0 || steps > UINT32_MAX || spec.base().evaluation().has_every_steps()) return;
  spec.mutable_base()->mutable_evaluation()->set_every_steps(static_cast<uint32_t>(steps));
  warnings.push_back(
      absl::StrCat("base.evaluation.every_steps is ", steps, ", so that trials are evaluated where they hold"));
}

void CheckBase(const v1::SweepSpec& spec, const core::FieldErrors& base) {
  int more = 0;
  for (const char* label : kOwnLabels) {
    if (spec.base().labels().contains(label)) base.At("labels").Add(absl::StrCat("\"", label, "\" is the sweep's own"));
    ++more;
  }
  if (spec.base().labels_size() + more > kMostLabels) base.At("labels").Add("has room for 62 beside the sweep's own");
}

}  // namespace

absl::StatusOr<v1::JobSpec> TrialSpec(const v1::Sweep& sweep, uint32_t number, const Assignments& assignments) {
  v1::JobSpec spec = sweep.spec().base();
  for (int i = 0; i < assignments.size() && i < sweep.spec().space_size(); ++i) {
    for (const std::string& path : sweep.spec().space(i).paths()) {
      if (absl::Status set = SetFieldAt(spec, path, assignments[i].value()); !set.ok()) return set;
    }
  }
  if (NamesIn(spec) != NamesIn(sweep.spec().base())) {  // Nobody has looked whether its owner may read them.
    return absl::InvalidArgumentError(
        "the values name another dataset or model than the base, which a sweep cannot change: make one for each");
  }
  const std::string id(IdOf(sweep.name()));
  (*spec.mutable_labels())["sweep"] = id;
  (*spec.mutable_labels())["trial"] = absl::StrCat(number);
  return spec;
}

void CheckAssignments(const v1::SweepSpec& spec, const Assignments& assignments, const core::FieldErrors& errors) {
  if (assignments.size() != spec.space_size()) {
    return errors.At("assignments").Add(absl::StrCat("must be ", spec.space_size(), ", one for each parameter"));
  }
  std::map<std::string, const v1::Parameter*> left;
  for (const v1::Parameter& parameter : spec.space()) left[parameter.name()] = &parameter;
  for (int i = 0; i < assignments.size(); ++i) {
    const core::FieldErrors at = errors.At("assignments", i);
    const auto found = left.find(assignments[i].parameter());
    if (found == left.end()) {
      at.At("parameter")
          .Add(absl::StrCat("\"", assignments[i].parameter(), "\" is none of the sweep's, or stands twice"));
      continue;
    }
    const std::string why = core::WhyNotIn(*found->second, assignments[i].value());
    if (!why.empty()) at.At("value").Add(why);
    left.erase(found);
  }
}

absl::StatusOr<v1::Sweep> AdmitSweep(const v1::CreateSweepRequest& request, const std::string& owner, TrialJobs& jobs,
                                     const core::StopCheck& stop) {
  core::FieldErrors::Root errors;
  const core::FieldErrors scope = errors.scope(), at = scope.At("spec");
  if (!request.sweep_id().empty()) CheckId(request.sweep_id(), scope.At("sweep_id"));
  if (request.sweep_id().size() > kLongestId) scope.At("sweep_id").Add("must have at most 48 characters");
  CheckRequestId(request.request_id(), scope);
  if (request.spec().ByteSizeLong() > kMostSpecBytes) at.Add("must have at most 1 MiB");
  if (!errors.ok()) return errors.ToStatus();

  v1::Sweep sweep;
  v1::SweepSpec& spec = *sweep.mutable_spec();
  spec = request.spec();
  core::ResolveSweep(spec, at);
  CheckBase(spec, at.At("base"));
  if (!errors.ok()) return errors.ToStatus();
  std::vector<std::string> warnings;
  uint32_t threads = 1;
  if (spec.has_base() || !spec.trained_by_clients()) {
    EvaluateAtHolds(spec, warnings);
    SpaceCheck check(spec, jobs, {.owner = owner}, stop, at);
    if (absl::Status status = check.Run(warnings); !status.ok()) return status;
    if (!errors.ok()) return errors.ToStatus();
    const v1::Job& job = *check.first();
    if (spec.has_pbt()) spec.mutable_pbt()->set_interval_steps(FirstHold(spec, job));
    if (!spec.trained_by_clients() && job.resolved_spec().data().evaluation_split() == "none") {
      at.At("base").At("data").At("evaluation_split").Add("must not be none: the objective is of evaluations");
    }
    for (const std::string& warning : job.warnings()) warnings.push_back(warning);
    sweep.set_dataset(job.resolved_spec().data().dataset());
    threads = std::max(job.threads(), 1u);
  }
  if (!errors.ok()) return errors.ToStatus();
  if (!spec.has_parallelism()) spec.set_parallelism(std::clamp(jobs.threads() / threads, 1u, 64u));
  for (std::string& warning : warnings) sweep.add_warnings(std::move(warning));
  if (!request.sweep_id().empty()) sweep.set_name(absl::StrCat("sweeps/", request.sweep_id()));
  sweep.set_display_name(spec.display_name());
  *sweep.mutable_labels() = spec.labels();
  sweep.set_owner(owner);
  sweep.set_request_id(request.request_id());
  sweep.set_state(v1::SWEEP_STATE_RUNNING);
  return sweep;
}

}  // namespace traind::server
