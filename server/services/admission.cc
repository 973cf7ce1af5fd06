#include "server/services/admission.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/checkpoint/match_weights.h"
#include "core/data/dataset_dir.h"
#include "core/data/held_out.h"
#include "core/job/class_balance.h"
#include "core/job/data_identity.h"
#include "core/job/network_from.h"
#include "core/job/preprocessing_from.h"
#include "core/job/resolve.h"
#include "core/job/statistics_size.h"
#include "server/jobs/progress.h"
#include "server/resources/job_view.h"
#include "server/resources/names.h"
#include "server/resources/request_id.h"
#include "server/services/network_from.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

std::string KnownDatasets(const DataFolder& folder) {
  const auto known = folder.List("datasets");
  return known.ok() && !known->empty() ? absl::StrCat("there are: ", absl::StrJoin(*known, ", "))
                                       : "there are none yet: import one first";
}

constexpr size_t kMostProblems = 10;  // Of one file.
constexpr char kWaysToFit[] =
    " (in initial_weights, on_mismatch: SKIP begins without what has another shape, rules say which name is which, "
    "allow_missing: true begins with what there is)";

// What of the file fits the network; a file that cannot be read is the worker's to report.
void CheckInitialWeights(const Weights& weights, core::ResolvedJob& resolved, const core::FieldErrors& initial) {
  const auto file = core::Safetensors::Open(weights.path);
  if (!file.ok()) return;
  std::vector<core::NeededTensor> network;
  for (const auto& layer : resolved.description.layers()) {
    for (const v1::TensorInfo& tensor : layer.parameters()) {
      network.push_back({tensor.name(), {tensor.shape().begin(), tensor.shape().end()}});
    }
  }
  const v1::InitialWeights& wanted = resolved.spec.initial_weights();
  const core::WeightsMatch match = core::MatchWeights(*file, network, wanted);
  resolved.spec.mutable_initial_weights()->set_names(match.names);
  for (int rule : match.idle_rules) {
    initial.At("rules", rule)
        .At("to")
        .Add(absl::StrCat("no tensor of the network that an earlier rule has not taken matches \"",
                          wanted.rules(rule).to(), "\"; trainctl describe lists their names"));
  }
  const core::FieldErrors model = initial.At("model");
  const auto problems = match.Problems(wanted);
  for (size_t i = 0; i < std::min(problems.size(), kMostProblems); ++i) {
    model.Add(i == 0 ? absl::StrCat(problems[i], kWaysToFit) : problems[i]);
  }
  if (problems.size() > kMostProblems) model.Add(absl::StrCat("and ", problems.size() - kMostProblems, " more"));
  if (problems.empty() && !match.complete()) {
    resolved.warnings.push_back(absl::StrCat("initial weights from ", weights.name, ": ", match.ToString()));
  }
}

// The files of the weights, and the preprocessing that goes with them.
void BeginWith(const Weights& weights, core::ResolvedJob& resolved, const v1::DataIdentity& data,
               JobManager::NewJob& admitted, const core::FieldErrors& spec) {
  const core::ModelOrigin origin{.spec = weights.job.empty() ? nullptr : &weights.spec,
                                 .learned = !weights.preprocessing_path.empty(),
                                 .trained_on = weights.trained_on};
  for (std::string& warning : core::ResolvePreprocessingFrom(resolved.spec, data, origin, spec.At("initial_weights"))) {
    resolved.warnings.push_back(std::move(warning));
  }
  const v1::DataSpec &here = resolved.spec.data(), &there = weights.spec.data();
  if (origin.spec != nullptr && here.dataset() == there.dataset() && core::HasSeenHeldOut(here, there)) {
    resolved.warnings.emplace_back(core::kSeenHeldOut);
  }
  CheckInitialWeights(weights, resolved, spec.At("initial_weights"));
  admitted.weights_file = weights.path;
  if (resolved.spec.initial_weights().preprocessing_from() == v1::InitialWeights::PREPROCESSING_FROM_MODEL) {
    admitted.preprocessing_file = weights.preprocessing_path;
  }
}

}  // namespace

std::optional<v1::Dataset> FindDataset(const DataFolder& folder, const std::string& name,
                                       const core::FieldErrors& field) {
  const std::string id(absl::StripPrefix(name, "datasets/"));
  if (IsValidId(id)) {
    auto dataset = core::LoadDataset(folder.Item("datasets", id));
    if (dataset.ok()) {
      dataset->set_name(absl::StrCat("datasets/", id));
      return *std::move(dataset);
    }
    if (!absl::IsNotFound(dataset.status())) {
      field.Add(absl::StrCat("datasets/", id, " cannot be read: ", dataset.status().message()));
      return std::nullopt;
    }
  }
  const std::string known = KnownDatasets(folder);
  field.Add(name.empty() ? absl::StrCat("is required; ", known)
                         : absl::StrCat("there is no dataset \"", name, "\"; ", known));
  return std::nullopt;
}

absl::Status DatasetNotFoundError(const DataFolder& folder, const std::string& name) {
  return NotFoundError("Dataset", name, KnownDatasets(folder));
}

absl::StatusOr<JobManager::NewJob> Admit(const v1::CreateJobRequest& request, const DataFolder& folder,
                                         uint32_t max_threads, uint32_t default_threads, const core::StopCheck& stop) {
  core::FieldErrors::Root errors;
  const core::FieldErrors scope = errors.scope();
  const core::FieldErrors spec = scope.At("spec");
  if (!request.job_id().empty()) CheckId(request.job_id(), scope.At("job_id"));
  CheckRequestId(request.request_id(), scope);
  CheckView(request.view(), scope.At("view"));

  const std::optional<v1::Dataset> dataset =
      FindDataset(folder, request.spec().data().dataset(), spec.At("data").At("dataset"));
  JobManager::NewJob admitted;
  v1::JobSpec wanted = request.spec();
  const auto taken = TakeNetwork(folder, *wanted.mutable_network(), spec.At("network"));
  if (!taken.ok()) return taken.status();
  if (request.spec().network().has_from() && taken->names.empty()) return errors.ToStatus();
  const bool starts_with_taken = !taken->names.empty() && !wanted.has_initial_weights();
  if (starts_with_taken) {
    wanted.mutable_initial_weights()->set_model(taken->model);
    wanted.mutable_initial_weights()->set_allow_missing(true);
  }
  std::optional<Weights> initial;
  if (wanted.has_initial_weights()) {
    const std::string field = "spec.initial_weights.model";
    auto weights = FindSoundWeights(folder, wanted.initial_weights().model(), /*allow_job=*/true, field);
    if (weights.ok()) {
      initial = *std::move(weights);
    } else if (absl::IsInvalidArgument(weights.status()) || absl::IsNotFound(weights.status())) {
      scope.At(field).Add(std::string(absl::StripPrefix(weights.status().message(), field + ": ")));
    } else {
      return weights.status();
    }
  }
  if (!wanted.has_threads() && default_threads > 0) wanted.set_threads(default_threads);
  core::FieldErrors::Root found;
  auto resolved =
      core::ResolveJob(wanted, dataset.has_value() ? &*dataset : nullptr, max_threads, found.scope("spec"), stop);
  core::AddAsWritten(found.violations(), "spec.network", taken->names.size(), scope);
  if (!errors.ok()) return errors.ToStatus();
  if (!resolved.ok()) return resolved.status();

  const std::string data = folder.Item("datasets", std::string(absl::StripPrefix(dataset->name(), "datasets/")));
  if (absl::Status status = core::BalanceClasses(data, *dataset, resolved->spec, resolved->warnings); !status.ok()) {
    return status;
  }

  v1::Job& job = admitted.job;
  *job.mutable_trained_on() = core::IdentityOf(*dataset);
  if (starts_with_taken) {
    const auto model = core::Safetensors::Open(initial->path);
    if (!model.ok()) return model.status();
    core::StartOwnLayers(resolved->description, taken->names, *model, *resolved->spec.mutable_initial_weights(),
                         spec.At("network"));
    if (!errors.ok()) return errors.ToStatus();
  }
  if (initial.has_value()) BeginWith(*initial, *resolved, job.trained_on(), admitted, spec);
  if (!errors.ok()) return errors.ToStatus();
  if (!request.job_id().empty()) job.set_name(absl::StrCat("jobs/", request.job_id()));
  *job.mutable_spec() = request.spec();
  *job.mutable_resolved_spec() = std::move(resolved->spec);
  job.set_state(v1::JOB_STATE_QUEUED);
  job.set_threads(job.resolved_spec().threads());
  job.set_memory_bound_bytes(resolved->memory_bound_bytes);
  job.set_request_id(request.request_id());
  for (std::string& warning : resolved->warnings) job.add_warnings(std::move(warning));
  for (v1::LayerAlgorithm& algorithm : resolved->algorithms) *job.add_algorithms() = std::move(algorithm);
  SetTotals(job.resolved_spec(), *dataset, *job.mutable_progress());
  CheckViews(job, spec);
  core::CheckStatisticsSize(job.resolved_spec(), resolved->description, spec.At("statistics"));
  if (!errors.ok()) return errors.ToStatus();
  return admitted;
}

}  // namespace traind::server
