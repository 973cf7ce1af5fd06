#include "server/services/inference.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/dataset_dir.h"
#include "core/data/given_examples.h"
#include "core/data/image.h"
#include "core/job/data_identity.h"
#include "core/job/members_match.h"
#include "core/job/resolve_data.h"
#include "core/job/resolve_inference.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"
#include "server/services/admission.h"
#include "server/services/ensembles.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

std::optional<v1::DataIdentity> IdentityOf(const v1::Job& job, const DataFolder& folder) {
  auto dataset = core::LoadDataset(folder.Item("datasets", IdOf(job.resolved_spec().data().dataset())));
  if (!dataset.ok()) return core::IdentityOf(job, nullptr);
  dataset->set_name(job.resolved_spec().data().dataset());
  return core::IdentityOf(job, &*dataset);
}

absl::Status VerifyFiles(const internal::EnsembleRecord& record, const std::string& dir, const std::string& name) {
  for (const auto& network : record.networks()) {
    absl::Status status = core::VerifyFile(absl::StrCat(dir, "/", network.weights().name()), network.weights());
    if (status.ok() && network.has_preprocessing()) {
      status = core::VerifyFile(absl::StrCat(dir, "/", network.preprocessing().name()), network.preprocessing());
    }
    if (!status.ok()) {
      return absl::DataLossError(absl::StrCat(name, " is damaged on the server's disk: ", status.message()));
    }
  }
  return absl::OkStatus();
}

// A model that CreateEnsemble made, with all that it needs.
absl::StatusOr<Trained> OfEnsemble(const std::string& id, internal::EnsembleRecord record, const DataFolder& folder) {
  const std::string dir = folder.Item("models", id);
  Trained trained{.name = absl::StrCat("models/", id),
                  .weights_path = "",
                  .weights_file = {},
                  .preprocessing_path = "",
                  .preprocessing_file = {},
                  .spec = {}};
  if (absl::Status status = VerifyFiles(record, dir, trained.name); !status.ok()) return status;
  const v1::DataSpec data = record.networks(0).spec().data();
  for (int i = 0; i < record.networks_size(); ++i) {
    internal::EnsembleRecord::Network& network = *record.mutable_networks(i);
    const std::string weights = absl::StrCat(dir, "/", network.weights().name());
    const std::string preprocessing =
        network.has_preprocessing() ? absl::StrCat(dir, "/", network.preprocessing().name()) : "";
    trained.memory_bound_bytes += network.job().memory_bound_bytes();
    if (i == 0) {
      trained.weights_path = weights;
      trained.weights_file = network.weights();
      trained.preprocessing_path = preprocessing;
      trained.preprocessing_file = network.preprocessing();
      trained.spec = std::move(*network.mutable_spec());
      trained.job = std::move(*network.mutable_job());
      if (network.has_trained_on()) trained.trained_on = std::move(*network.mutable_trained_on());
      continue;
    }
    if (!core::HeldOutTogether(data, network.spec().data())) core::ForgetHeldOut(*trained.spec.mutable_data());
    internal::TaskMember& other = trained.others.emplace_back();
    *other.mutable_spec() = std::move(*network.mutable_spec());
    other.set_weights_path(weights);
    other.set_preprocessing_path(preprocessing);
  }
  return trained;
}

}  // namespace

absl::StatusOr<Trained> FindTrained(const v1::ModelRef& ref, const Backend& backend, const std::string& field) {
  auto name = ParseWeightsName(ref.model(), /*allow_job=*/false, field + ".model");
  if (!name.ok()) return name.status();
  if (!name->model.empty()) {
    auto ensemble = ReadEnsemble(*backend.folder, name->model);
    if (!ensemble.ok()) return ensemble.status();
    if (ensemble->has_value() && ref.job().empty()) {
      return OfEnsemble(name->model, *std::move(*ensemble), *backend.folder);
    }
    if (ensemble->has_value() && IsOfOutputs(**ensemble)) {
      return FieldError(field + ".job", absl::StrCat("must be empty: ", ref.model(), " is an ensemble, whose members ",
                                                     "have networks of their own"));
    }
  }
  auto weights = FindSoundWeights(*backend.folder, ref.model(), /*allow_job=*/false, field + ".model");
  if (!weights.ok()) return weights.status();
  if (weights->job.empty() && ref.job().empty()) {
    return FieldError(field + ".job", "is required for an uploaded model: its network and preprocessing are the job's");
  }
  Trained trained{.name = weights->name,
                  .weights_path = weights->path,
                  .weights_file = weights->file,
                  .preprocessing_path = weights->preprocessing_path,
                  .preprocessing_file = weights->preprocessing_file,
                  .spec = std::move(weights->spec)};
  trained.evaluation_loss = weights->evaluation_loss;
  std::string job_id = weights->job;
  if (!ref.job().empty()) {
    auto id = ParseName("jobs", ref.job(), field + ".job");
    if (!id.ok()) return id.status();
    job_id = *std::move(id);
  }
  auto job = backend.store->GetJob(job_id);
  if (!job.ok()) return job.status();
  trained.memory_bound_bytes = job->job.memory_bound_bytes();
  trained.job = std::move(job->job);
  trained.trained_on = weights->trained_on;
  if (!trained.trained_on.has_value()) trained.trained_on = IdentityOf(trained.job, *backend.folder);
  if (job_id == weights->job) return trained;
  // The network of one job with the weights of another, or of a model: preprocessing goes with the network.
  trained.spec = trained.job.resolved_spec();
  trained.preprocessing_path.clear();
  trained.preprocessing_file.Clear();
  if (trained.spec.data().preprocessing_size() == 0) return trained;
  auto fitted = core::FindCheckpoint(backend.folder->CheckpointDir(job_id), "latest");
  if (absl::IsNotFound(fitted.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(ref.job(), " has no checkpoint yet, and so no fitted preprocessing"));
  }
  if (!fitted.ok()) return fitted.status();
  trained.preprocessing_path = fitted->preprocessing_path();
  if (const v1::CheckpointFile* file = fitted->preprocessing_file()) trained.preprocessing_file = *file;
  return trained;
}

namespace {

// FAILED_PRECONDITION: the dataset is read because it has the name of the job's, but it is another one.
absl::Status CheckUnchanged(const Trained& trained, const v1::Dataset& dataset) {
  const bool known = trained.trained_on.has_value() && trained.trained_on->dataset() == dataset.name();
  std::string how = known ? core::DifferenceOf(*trained.trained_on, dataset) : "";
  if (!trained.trained_on.has_value() && trained.job.create_time() < dataset.create_time()) {
    how = "it was imported after the job was created";
  }
  if (how.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(dataset.name(), " is not the dataset that ", trained.job.name(), " was trained on: ", how,
                   "; to use the new one say so by its name (--dataset ", IdOf(dataset.name()), ")"));
}

// How the model reads the dataset: what a person should know. `field` names the dataset.
std::vector<std::string> Match(const Trained& trained, const v1::Dataset& dataset, const core::FieldErrors& field) {
  if (trained.trained_on.has_value()) {
    return core::MatchData(*trained.trained_on, dataset, trained.spec.data().targets(), field).notes;
  }
  return {absl::StrCat("what ", trained.job.name(), " was trained on is not known: it was accepted before version 0.3 ",
                       "and its dataset is gone; the labels of ", dataset.name(),
                       " are taken for its classes by number")};
}

// What of the split some members of an ensemble know. `named`: the request says which split.
void WarnOfMembers(const Trained& trained, const v1::Dataset& dataset, const std::string& split, bool named,
                   std::vector<std::string>& notes) {
  if (!named && core::ForgotHeldOut(trained.spec.data())) {
    notes.push_back(
        absl::StrCat("the members did not hold out the same examples (folds, validation_fraction), so that ",
                     "none are new to all of them: the split \"", split, "\" is read"));
  }
  for (size_t i = 0; i < trained.others.size(); ++i) {
    const v1::DataSpec& data = trained.others[i].spec().data();
    if (data.dataset() != dataset.name() || data.train_split() != split) continue;
    notes.push_back(absl::StrCat("members[", i + 1, "] was trained on the split \"", split, "\""));
    return;
  }
}

// An operation on the weights that reads the dataset.
OperationManager::NewOperation NewOperationOf(const Trained& trained, const v1::Dataset& dataset,
                                              std::vector<std::string> notes, const DataFolder& folder) {
  OperationManager::NewOperation operation;
  operation.target = trained.name;
  operation.uses = {trained.name, dataset.name()};
  operation.memory_bytes = trained.memory_bound_bytes;
  operation.task.set_dataset_dir(absl::StrCat(folder.path(), "/", dataset.name()));
  operation.task.set_weights_path(trained.weights_path);
  operation.warnings = std::move(notes);
  return operation;
}

template <class Task>
void AddOthers(const Trained& trained, Task& task) {
  task.mutable_others()->Add(trained.others.begin(), trained.others.end());
}

// Files that the model's dataset cannot have come from.
void CheckFiles(const v1::PredictRequest& request, const v1::DataIdentity& trained_on,
                const core::FieldErrors& errors) {
  if (request.images_size() > 0 && trained_on.element_type() == v1::ELEMENT_TYPE_FLOAT32) {
    errors.At("images").Add(
        "the model was trained on floats, and the pixels of images are bytes (0 to 255); give `examples` of its scale");
  }
  if (request.has_table() && trained_on.feature_names().empty()) {
    errors.At("table").Add(
        "the features of the model's dataset have no names (it was no CSV file), by which columns could be found; give "
        "`examples`");
  }
}

// What files become beside the network.
int64_t MemoryOf(const v1::PredictRequest& request, const v1::JobSpec& spec) {
  if (request.has_table()) return core::kMaxGivenBytes;
  if (request.images().empty()) return 0;
  constexpr int64_t kDecoded = 2 * 3 * core::kMaxPixels;  // Two copies of the largest image, while it is turned.
  return kDecoded + request.images_size() * core::Elements(core::StoredShape(spec));
}

}  // namespace

absl::StatusOr<OperationManager::NewOperation> AdmitEvaluation(const v1::EvaluateRequest& request,
                                                               const Backend& backend) {
  auto trained = FindTrained(request.model(), backend);
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  const auto dataset =
      FindDataset(*backend.folder, core::DatasetOf(request, trained->spec), errors.scope("data").At("dataset"));
  const bool named = !request.data().dataset().empty();
  if (dataset.has_value() && !named) {
    if (absl::Status same = CheckUnchanged(*trained, *dataset); !same.ok()) return same;
  }
  v1::JobSpec spec =
      core::ResolveEvaluation(request, trained->spec, dataset.has_value() ? &*dataset : nullptr, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  std::vector<std::string> notes = Match(*trained, *dataset, errors.scope("data").At("dataset"));
  if (!errors.ok()) return errors.ToStatus();
  WarnOfMembers(*trained, *dataset, spec.data().evaluation_split(), !request.data().evaluation_split().empty(), notes);
  auto operation = NewOperationOf(*trained, *dataset, std::move(notes), *backend.folder);
  operation.task.mutable_evaluate()->set_preprocessing_path(trained->preprocessing_path);
  if (trained->trained_on.has_value()) *operation.task.mutable_evaluate()->mutable_trained_on() = *trained->trained_on;
  *operation.task.mutable_evaluate()->mutable_spec() = std::move(spec);
  AddOthers(*trained, *operation.task.mutable_evaluate());
  return operation;
}

absl::StatusOr<OperationManager::NewOperation> AdmitPredictSplit(const v1::PredictSplitRequest& request,
                                                                 const Backend& backend) {
  auto trained = FindTrained(request.model(), backend);
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  const auto dataset =
      FindDataset(*backend.folder, core::DatasetOf(request, trained->spec), errors.scope("range").At("dataset"));
  const bool named = !request.range().dataset().empty();
  if (dataset.has_value() && !named) {
    if (absl::Status same = CheckUnchanged(*trained, *dataset); !same.ok()) return same;
  }
  v1::PredictSplitRequest resolved =
      core::ResolvePredictSplit(request, trained->spec, dataset.has_value() ? &*dataset : nullptr, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  std::vector<std::string> notes = Match(*trained, *dataset, errors.scope("range").At("dataset"));
  if (!errors.ok()) return errors.ToStatus();
  WarnOfMembers(*trained, *dataset, resolved.range().split(), !request.range().split().empty(), notes);
  auto operation = NewOperationOf(*trained, *dataset, std::move(notes), *backend.folder);
  internal::PredictTask& predict = *operation.task.mutable_predict();
  predict.set_preprocessing_path(trained->preprocessing_path);
  if (trained->trained_on.has_value()) *predict.mutable_trained_on() = *trained->trained_on;
  AddOthers(*trained, predict);
  *predict.mutable_spec() = std::move(trained->spec);
  *predict.mutable_split() = std::move(resolved);
  return operation;
}

absl::StatusOr<Prediction> AdmitPrediction(const v1::PredictRequest& request, const Backend& backend) {
  auto trained = FindTrained(request.model(), backend);
  if (!trained.ok()) return trained.status();
  core::FieldErrors::Root errors;
  v1::PredictRequest resolved = core::ResolvePrediction(request, trained->spec, errors.scope());
  if (errors.ok() && trained->trained_on.has_value()) {
    core::CheckScale(request.examples(), *trained->trained_on, errors.scope("examples").At("values"));
    CheckFiles(request, *trained->trained_on, errors.scope());
  }
  if (request.has_table() && !trained->trained_on.has_value()) {
    errors.scope("table").Add(
        "what the model was trained on is not known, and so no names of columns; give `examples`");
  }
  if (!errors.ok()) return errors.ToStatus();
  Prediction prediction{.memory_bytes = trained->memory_bound_bytes + MemoryOf(request, trained->spec)};
  prediction.task.set_weights_path(trained->weights_path);
  prediction.task.set_threads(backend.jobs->capacity().threads);
  internal::PredictTask& predict = *prediction.task.mutable_predict();
  predict.set_preprocessing_path(trained->preprocessing_path);
  if (trained->trained_on.has_value()) *predict.mutable_trained_on() = *trained->trained_on;
  AddOthers(*trained, predict);
  *predict.mutable_spec() = std::move(trained->spec);
  *predict.mutable_request() = std::move(resolved);
  return prediction;
}

}  // namespace traind::server
