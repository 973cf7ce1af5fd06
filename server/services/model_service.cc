#include "server/services/model_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/tensor/tensor.h"
#include "server/resources/names.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/admission.h"
#include "server/services/download_call.h"
#include "server/services/model_upload.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

constexpr int64_t kMaxPredictBytes = 4 << 20;
constexpr uint64_t kDefaultPredictCount = 10;
constexpr uint64_t kMaxPredictCount = 1000;

void CheckSplit(const v1::Dataset& dataset, const std::string& split, const core::FieldErrors& field) {
  std::string known;
  for (const v1::DatasetSplit& candidate : dataset.splits()) {
    if (candidate.name() == split) return;
    absl::StrAppend(&known, known.empty() ? "" : ", ", candidate.name());
  }
  field.Add(absl::StrCat(dataset.name(), " has no split \"", split, "\"; it has: ", known));
}

// `spec` is the job's, resolved. An image of another size is brought to the network's input at test time.
void CheckExamples(const v1::Examples& examples, const v1::JobSpec& spec, const core::FieldErrors& field) {
  // Jobs of versions that did not write the shape down had no preprocessing that changes it.
  const auto& taken = spec.data().example_shape().empty() ? spec.network().input_shape() : spec.data().example_shape();
  const std::vector<int64_t> input(taken.begin(), taken.end());
  const int64_t wanted = core::CheckedElements(input);
  const bool image = input.size() == 3 && examples.shape_size() == 4 && examples.shape(1) == input[0];
  const std::vector<int64_t> shape(examples.shape().begin(), examples.shape().end());
  const int64_t elements = core::CheckedElements(shape);
  if (shape.size() != 2 && shape.size() != 4) {
    field.At("shape").Add("must be [N, features] or [N, channels, height, width]");
  } else if (elements <= 0) {
    field.At("shape").Add("must have positive dimensions");
  } else if (!image && elements / shape[0] != wanted) {
    field.At("shape").Add(
        absl::StrCat("has ", elements / shape[0], " values for each example, the model takes ", wanted));
  } else if (elements != examples.values_size()) {
    field.At("values").Add(absl::StrCat("has ", examples.values_size(), " numbers, the shape wants ", elements));
  }
  if (examples.values_size() > kMaxPredictBytes / static_cast<int64_t>(sizeof(float))) {
    field.At("values").Add("must have at most 4 MiB; send several calls");
  }
}

}  // namespace

grpc::ServerUnaryReactor* ModelService::ListCheckpoints(grpc::CallbackServerContext* context,
                                                        const v1::ListCheckpointsRequest* request,
                                                        v1::ListCheckpointsResponse* response) {
  return AnswerOn(*backend_.quick, context,
                  [this, request, response](CallContext&) { return List(*request, response); });
}

absl::Status ModelService::List(const v1::ListCheckpointsRequest& request,
                                v1::ListCheckpointsResponse* response) const {
  auto id = ParseName("jobs", request.parent(), "parent");
  if (!id.ok()) return id.status();
  if (auto job = backend_.store->GetJob(*id); !job.ok()) return job.status();
  auto checkpoints = core::ListCheckpoints(backend_.folder->CheckpointDir(*id));
  if (!checkpoints.ok()) return checkpoints.status();
  const int64_t best = core::BestStep(*checkpoints);
  for (const core::CheckpointFiles& files : *checkpoints) {
    const v1::CheckpointManifest& manifest = files.manifest;
    v1::Checkpoint& checkpoint = *response->add_checkpoints();
    checkpoint.set_name(absl::StrCat(request.parent(), "/checkpoints/", manifest.step()));
    checkpoint.set_step(manifest.step());
    *checkpoint.mutable_create_time() = manifest.create_time();
    for (const v1::CheckpointFile& file : manifest.files()) {
      checkpoint.set_size_bytes(checkpoint.size_bytes() + file.size_bytes());
    }
    checkpoint.set_best(best >= 0 && manifest.step() == static_cast<uint64_t>(best));
    if (manifest.has_evaluation_loss()) checkpoint.set_evaluation_loss(manifest.evaluation_loss());
    if (manifest.has_evaluation_accuracy()) checkpoint.set_evaluation_accuracy(manifest.evaluation_accuracy());
  }
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* ModelService::DownloadCheckpoint(
    grpc::CallbackServerContext* context, const v1::DownloadCheckpointRequest* request) {
  return Download(*backend_.slow, *backend_.folder, context, *request);
}

grpc::ServerReadReactor<v1::UploadModelRequest>* ModelService::UploadModel(grpc::CallbackServerContext* context,
                                                                           v1::Model* response) {
  return new UploadCall<v1::UploadModelRequest, v1::UploadModelHeader>(
      *backend_.slow, context,
      [this, response](CallContext&, const v1::UploadModelHeader& header) {
        return BeginModelUpload(*backend_.folder, header, response);
      },
      [] { return absl::OkStatus(); });
}

absl::StatusOr<ModelService::Trained> ModelService::FindTrained(const v1::ModelRef& ref) const {
  auto weights = FindWeights(*backend_.folder, ref.model(), /*allow_job=*/false, "model.model");
  if (!weights.ok()) return weights.status();
  if (weights->job.empty() && ref.job().empty()) {
    return FieldError("model.job", "is required for an uploaded model: its network and preprocessing are the job's");
  }
  Trained trained{.weights_path = weights->path,
                  .preprocessing_path = weights->preprocessing_path,
                  .spec = std::move(weights->spec)};
  std::string job_id = weights->job;
  if (!ref.job().empty()) {
    auto id = ParseName("jobs", ref.job(), "model.job");
    if (!id.ok()) return id.status();
    job_id = *std::move(id);
  }
  auto job = backend_.store->GetJob(job_id);
  if (!job.ok()) return job.status();
  trained.memory_bound_bytes = job->job.memory_bound_bytes();
  if (job_id == weights->job) return trained;
  // The network of one job with the weights of another, or of a model: preprocessing goes with the network.
  trained.spec = job->job.resolved_spec();
  trained.preprocessing_path.clear();
  if (trained.spec.data().preprocessing_size() == 0) return trained;
  auto fitted = core::FindCheckpoint(backend_.folder->CheckpointDir(job_id), "latest");
  if (absl::IsNotFound(fitted.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(ref.job(), " has no checkpoint yet, and so no fitted preprocessing"));
  }
  if (!fitted.ok()) return fitted.status();
  trained.preprocessing_path = fitted->preprocessing_path();
  return trained;
}

grpc::ServerUnaryReactor* ModelService::Evaluate(grpc::CallbackServerContext* context,
                                                 const v1::EvaluateRequest* request, v1::EvaluationMetrics* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Evaluate(*request, call, response); });
}

absl::Status ModelService::Evaluate(const v1::EvaluateRequest& request, CallContext& call,
                                    v1::EvaluationMetrics* response) const {
  auto trained = FindTrained(request.model());
  if (!trained.ok()) return trained.status();
  v1::DataSpec& data = *trained->spec.mutable_data();
  if (!request.data().dataset().empty()) data.set_dataset(request.data().dataset());
  if (!request.data().evaluation_split().empty()) data.set_evaluation_split(request.data().evaluation_split());
  if (request.has_data()) data.set_max_evaluation_examples(request.data().max_evaluation_examples());
  core::FieldErrors::Root errors;
  const core::FieldErrors field = errors.scope("data");
  const auto dataset = FindDataset(*backend_.folder, data.dataset(), field.At("dataset"));
  if (dataset.has_value()) {
    CheckSplit(*dataset, data.evaluation_split(), field.At("evaluation_split"));
    data.set_dataset(dataset->name());
  }
  if (request.has_batch_size()) {
    if (request.batch_size() == 0) errors.scope().At("batch_size").Add("must be at least 1");
    // The job's memory bound holds for its own batch.
    if (request.batch_size() > trained->spec.batch_size()) {
      errors.scope().At("batch_size").Add(absl::StrCat("must be at most the job's, ", trained->spec.batch_size()));
    }
    trained->spec.set_batch_size(request.batch_size());
  }
  if (request.has_test_time()) *trained->spec.mutable_evaluation()->mutable_test_time() = request.test_time();
  if (!errors.ok()) return errors.ToStatus();

  internal::Task task;
  task.set_dataset_dir(absl::StrCat(backend_.folder->path(), "/", dataset->name()));
  task.set_weights_path(trained->weights_path);
  task.set_threads(backend_.jobs->capacity().threads);
  task.mutable_evaluate()->set_preprocessing_path(trained->preprocessing_path);
  *task.mutable_evaluate()->mutable_spec() = std::move(trained->spec);
  auto result = backend_.tasks->Run(trained->memory_bound_bytes, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_evaluation());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ModelService::Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                                v1::PredictResponse* response) {
  return AnswerOn(*backend_.slow, context,
                  [this, request, response](CallContext& call) { return Predict(*request, call, response); });
}

absl::Status ModelService::Predict(const v1::PredictRequest& request, CallContext& call,
                                   v1::PredictResponse* response) const {
  auto trained = FindTrained(request.model());
  if (!trained.ok()) return trained.status();
  v1::PredictRequest resolved = request;
  internal::Task task;
  core::FieldErrors::Root errors;
  if (request.has_examples()) {
    CheckExamples(request.examples(), trained->spec, errors.scope("examples"));
  } else if (request.has_range()) {
    const core::FieldErrors field = errors.scope("range");
    v1::SplitRange& range = *resolved.mutable_range();
    if (range.dataset().empty()) range.set_dataset(trained->spec.data().dataset());
    if (range.split().empty()) range.set_split(trained->spec.data().evaluation_split());
    if (range.count() == 0) range.set_count(kDefaultPredictCount);
    if (range.count() > kMaxPredictCount) field.At("count").Add("must be at most 1000");
    const auto dataset = FindDataset(*backend_.folder, range.dataset(), field.At("dataset"));
    if (dataset.has_value()) {
      CheckSplit(*dataset, range.split(), field.At("split"));
      range.set_dataset(dataset->name());
      task.set_dataset_dir(absl::StrCat(backend_.folder->path(), "/", dataset->name()));
      for (const v1::DatasetSplit& split : dataset->splits()) {
        if (split.name() == range.split() && range.first() >= static_cast<uint64_t>(split.num_examples())) {
          field.At("first").Add(absl::StrCat("must be below the split's ", split.num_examples(), " examples"));
        }
      }
    }
  } else {
    errors.scope().At("input").Add("must be one of: examples, range");
  }
  if (!errors.ok()) return errors.ToStatus();

  task.set_weights_path(trained->weights_path);
  task.set_threads(backend_.jobs->capacity().threads);
  task.mutable_predict()->set_preprocessing_path(trained->preprocessing_path);
  *task.mutable_predict()->mutable_spec() = std::move(trained->spec);
  *task.mutable_predict()->mutable_request() = std::move(resolved);
  auto result = backend_.tasks->Run(trained->memory_bound_bytes, std::move(task), call);
  if (!result.ok()) return result.status();
  *response = std::move(*result->mutable_predict());
  return absl::OkStatus();
}

}  // namespace traind::server
