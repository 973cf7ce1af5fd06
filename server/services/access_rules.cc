#include "server/services/access_rules.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "server/resources/names.h"

namespace traind::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const NamedIn kJob{.path = "name"}, kOwnJob{.path = "name", .right = Right::kChange};
const NamedIn kDatasetOfSpec{.path = "spec.data.dataset", .collection = "datasets", .required = true};
const NamedIn kInitialWeights{.path = "spec.initial_weights.model"};
const NamedIn kSpecFrom{.path = "spec.network.from.model"}, kSpecFromJob{.path = "spec.network.from.job"};
const NamedIn kFrom{.path = "network.from.model"}, kFromJob{.path = "network.from.job"};
const NamedIn kModel{.path = "model.model"}, kModelsJob{.path = "model.job"};

constexpr bool kStream = true;

const std::vector<AccessRule>& Rules() {
  static const std::vector<AccessRule> kRules = {
      // TrainingService
      {"CreateJobRequest", v1::ROLE_USER, {kDatasetOfSpec, kInitialWeights, kSpecFrom, kSpecFromJob}},
      {"GetJobRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListJobsRequest", v1::ROLE_VIEWER},
      {"WatchJobRequest", v1::ROLE_VIEWER, {kJob}, kStream},
      {"GetSeriesRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListFindingsRequest", v1::ROLE_VIEWER, {{.path = "parent"}}},
      {"UpdateJobRequest", v1::ROLE_USER, {{.path = "job.name", .right = Right::kChange}}},
      {"CancelJobRequest", v1::ROLE_USER, {kOwnJob}},
      {"PauseJobRequest", v1::ROLE_USER, {kOwnJob}},
      {"ResumeJobRequest", v1::ROLE_USER, {kOwnJob}},
      {"StopJobRequest", v1::ROLE_USER, {kOwnJob}},
      {"ExtendJobRequest", v1::ROLE_USER, {kOwnJob}},
      {"ForkJobRequest",
       v1::ROLE_USER,
       {kJob, {.path = "spec.data.dataset", .collection = "datasets", .dataset_of = {"name"}}}},
      {"DeleteJobRequest", v1::ROLE_USER, {kOwnJob}},
      {"DescribeNetworkRequest", v1::ROLE_VIEWER, {kFrom, kFromJob}},
      {"ProbeNetworkRequest", v1::ROLE_USER, {{.path = "data.dataset", .collection = "datasets"}, kFrom, kFromJob}},
      {"ListComponentsRequest", v1::ROLE_VIEWER},
      // DatasetService
      {"ImportDatasetRequest",
       v1::ROLE_USER,
       {{.path = "splits.examples.upload", .to_come = true},
        {.path = "splits.more_examples.upload", .to_come = true},
        {.path = "splits.labels.upload", .to_come = true}}},
      {"UploadHeader",
       v1::ROLE_USER,
       {{.path = "upload_id", .right = Right::kContinue, .collection = "uploads"}},
       kStream},
      {"GetUploadRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListUploadsRequest", v1::ROLE_VIEWER},
      {"DeleteUploadRequest", v1::ROLE_USER, {kOwnJob}},
      {"GetDatasetRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListDatasetsRequest", v1::ROLE_VIEWER},
      {"UpdateDatasetRequest", v1::ROLE_USER, {{.path = "dataset.name", .right = Right::kChange}}},
      {"DeleteDatasetRequest", v1::ROLE_USER, {kOwnJob}},
      {"DescribeDatasetRequest", v1::ROLE_USER, {kJob}},
      {"PreviewDatasetRequest", v1::ROLE_VIEWER, {kJob}},
      // ModelService
      {"GetCheckpointRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListCheckpointsRequest", v1::ROLE_VIEWER, {{.path = "parent"}}},
      {"DeleteCheckpointRequest", v1::ROLE_USER, {kOwnJob}},
      {"DownloadCheckpointRequest", v1::ROLE_VIEWER, {kJob}, kStream},
      {"ExportModelRequest", v1::ROLE_VIEWER, {kModel, kModelsJob}, kStream},
      {"UploadModelHeader", v1::ROLE_USER, {}, kStream},
      {"CreateEnsembleRequest", v1::ROLE_USER, {{.path = "members.model"}, {.path = "members.job"}}},
      {"GetModelRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListModelsRequest", v1::ROLE_VIEWER},
      {"UpdateModelRequest", v1::ROLE_USER, {{.path = "model.name", .right = Right::kChange}}},
      {"DeleteModelRequest", v1::ROLE_USER, {kOwnJob}},
      {"EvaluateRequest",
       v1::ROLE_USER,
       {kModel,
        kModelsJob,
        {.path = "data.dataset", .collection = "datasets", .dataset_of = {"model.job", "model.model"}}}},
      {"PredictRequest", v1::ROLE_USER, {kModel, kModelsJob}},
      {"PredictSplitRequest",
       v1::ROLE_USER,
       {kModel,
        kModelsJob,
        {.path = "range.dataset", .collection = "datasets", .dataset_of = {"model.job", "model.model"}}}},
      {"ReadPredictionsRequest", v1::ROLE_VIEWER, {{.path = "operation"}}, kStream},
      // AuthService, which looks itself whose a token or a quota is.
      {"WhoAmIRequest", v1::ROLE_VIEWER},
      {"ListUsersRequest", v1::ROLE_ADMIN},
      {"SetUserRequest", v1::ROLE_ADMIN},
      {"GetQuotaRequest", v1::ROLE_VIEWER},
      {"IssueTokenRequest", v1::ROLE_ADMIN},
      {"ListTokensRequest", v1::ROLE_VIEWER},
      {"RevokeTokenRequest", v1::ROLE_VIEWER},
      // ServerService
      {"GetServerInfoRequest", v1::ROLE_VIEWER},
      {"SetLogLevelRequest", v1::ROLE_ADMIN},
      {"GetStorageRequest", v1::ROLE_VIEWER},
      // SweepService
      {"CreateSweepRequest",
       v1::ROLE_USER,
       {{.path = "spec.base.data.dataset", .collection = "datasets", .required = true},
        {.path = "spec.base.initial_weights.model"},
        {.path = "spec.base.network.from.model"},
        {.path = "spec.base.network.from.job"}}},
      {"GetSweepRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListSweepsRequest", v1::ROLE_VIEWER},
      {"UpdateSweepRequest", v1::ROLE_USER, {{.path = "sweep.name", .right = Right::kChange}}},
      {"PauseSweepRequest", v1::ROLE_USER, {kOwnJob}},
      {"ResumeSweepRequest", v1::ROLE_USER, {kOwnJob}},
      {"StopSweepRequest", v1::ROLE_USER, {kOwnJob}},
      {"CancelSweepRequest", v1::ROLE_USER, {kOwnJob}},
      {"DeleteSweepRequest", v1::ROLE_USER, {kOwnJob}},
      {"GetTrialRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListTrialsRequest", v1::ROLE_VIEWER, {{.path = "parent"}}},
      {"ListSweepEntriesRequest", v1::ROLE_VIEWER, {{.path = "parent"}}},
      {"RerunTrialRequest", v1::ROLE_USER, {kOwnJob}},
      {"CreateTrialRequest", v1::ROLE_USER, {{.path = "parent", .right = Right::kChange}}},
      {"SuggestTrialsRequest", v1::ROLE_USER, {{.path = "parent", .right = Right::kChange}}},
      {"AddMeasurementRequest", v1::ROLE_USER, {kOwnJob}},
      {"CompleteTrialRequest", v1::ROLE_USER, {kOwnJob}},
      {"ShouldTrialStopRequest", v1::ROLE_VIEWER, {kJob}},
      // OperationService
      {"GetOperationRequest", v1::ROLE_VIEWER, {kJob}},
      {"ListOperationsRequest", v1::ROLE_VIEWER},
      {"WaitOperationRequest", v1::ROLE_VIEWER, {kJob}},
      {"CancelOperationRequest", v1::ROLE_USER, {kOwnJob}},
      {"DeleteOperationRequest", v1::ROLE_USER, {kOwnJob}},
  };
  return kRules;
}

void Collect(const Message& message, absl::string_view path, const std::string& prefix,
             std::vector<FieldValue>& values) {
  const size_t dot = path.find('.');
  const std::string name(path.substr(0, dot));
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) return;  // A test holds the table against the messages.
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const std::string at = absl::StrCat(prefix, name);
  if (dot == absl::string_view::npos) {
    values.push_back({at, reflection.GetString(message, field)});
  } else if (field->is_repeated()) {
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Collect(reflection.GetRepeatedMessage(message, field, i), path.substr(dot + 1), absl::StrCat(at, "[", i, "]."),
              values);
    }
  } else if (reflection.HasField(message, field)) {
    Collect(reflection.GetMessage(message, field), path.substr(dot + 1), at + ".", values);
  }
}

}  // namespace

const AccessRule* FindAccessRule(absl::string_view request) {
  const auto found =
      std::find_if(Rules().begin(), Rules().end(), [&](const AccessRule& rule) { return rule.request == request; });
  return found == Rules().end() ? nullptr : &*found;
}

std::vector<FieldValue> ValuesAt(const Message& message, absl::string_view path) {
  std::vector<FieldValue> values;
  Collect(message, path, "", values);
  return values;
}

std::string ResourceOf(absl::string_view value, absl::string_view collection) {
  for (const absl::string_view known : {"jobs", "datasets", "models", "uploads", "operations", "sweeps"}) {
    if (!absl::StartsWith(value, absl::StrCat(known, "/"))) continue;
    const absl::string_view rest = value.substr(known.size() + 1);
    const absl::string_view id = rest.substr(0, rest.find('/'));
    return IsValidId(id) ? absl::StrCat(known, "/", id) : "";
  }
  return !collection.empty() && IsValidId(value) ? absl::StrCat(collection, "/", value) : "";
}

}  // namespace traind::server
