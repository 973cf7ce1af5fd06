#include "tests/fuzz/targets.h"

#include <optional>

#include "core/base/checksum.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/data/dataset_dir.h"
#include "core/job/resolve.h"
#include "server/resources/names.h"
#include "server/resources/request_bounds.h"
#include "server/services/watch_request.h"
#include "tests/support/bytes.h"
#include "tests/support/datasets.h"
#include "tests/support/file_formats.h"
#include "traind/v1/training_service.pb.h"

namespace traind::fuzz {
namespace {

constexpr uint32_t kThreads = 4;
constexpr int64_t kMaxDataset = int64_t{16} << 20;

template <class Request>
std::unique_ptr<google::protobuf::Message> Make() {
  return std::make_unique<Request>();
}

// The request, if the server would have looked at it.
template <class Request>
std::optional<Request> Received(absl::string_view input) {
  Request request;
  if (!request.ParseFromArray(input.data(), static_cast<int>(input.size()))) return std::nullopt;
  core::FieldErrors::Root errors;
  server::CheckRepeatedFields(request, errors.scope());
  return errors.ok() ? std::make_optional(std::move(request)) : std::nullopt;
}

void CreateJob(absl::string_view input, const std::string&) {
  const auto request = Received<v1::CreateJobRequest>(input);
  if (!request.has_value()) return;
  core::FieldErrors::Root errors;
  const auto dataset = core::FindTestDataset(request->spec().data().dataset());
  core::ResolveJob(request->spec(), dataset.has_value() ? &*dataset : nullptr, kThreads, errors.scope("spec"))
      .IgnoreError();
  errors.ToStatus().IgnoreError();
}

void DescribeNetwork(absl::string_view input, const std::string&) {
  const auto request = Received<v1::DescribeNetworkRequest>(input);
  if (!request.has_value()) return;
  core::FieldErrors::Root errors;
  core::DescribeNetwork(*request, errors.scope()).IgnoreError();
  errors.ToStatus().IgnoreError();
}

void WatchJob(absl::string_view input, const std::string&) {
  v1::WatchJobRequest request;
  if (!request.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  v1::Network network;
  for (int i = 0; i < 1000; ++i) network.add_layers()->set_name("layer" + std::to_string(i));
  core::FieldErrors::Root errors;
  server::CheckWatchRequest(request, errors.scope());
  if (errors.ok() && server::ParseName("jobs", request.name(), "name").ok()) {
    server::CheckWatchedLayers(request, network, errors.scope());
  }
  errors.ToStatus().IgnoreError();
}

v1::SplitSource& AddSplit(v1::ImportDatasetRequest& request) {
  request.set_dataset_id("fuzzed");
  v1::SplitSource& split = *request.add_splits();
  split.set_name("train");
  split.mutable_examples()->set_path("input");
  return split;
}

void Import(const v1::ImportDatasetRequest& request, absl::string_view input, const std::string& folder) {
  WriteBytes(folder + "/input", std::string(input));
  const auto resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> {
    return folder + "/" + file.path();
  };
  core::ImportDataset(request, {.resolve = resolve, .dir = folder + "/dataset", .max_bytes = kMaxDataset})
      .IgnoreError();
}

// IDX, NPY and NPZ as examples, and as labels.
void Arrays(absl::string_view input, const std::string& folder) {
  v1::ImportDatasetRequest request;
  AddSplit(request).mutable_labels()->set_path("other");
  WriteBytes(folder + "/other", Npy("|u1", "(4,)", std::string("\0\1\2\0", 4)));
  Import(request, input, folder);
}

void Labels(absl::string_view input, const std::string& folder) {
  v1::ImportDatasetRequest request;
  v1::SplitSource& split = AddSplit(request);
  split.mutable_examples()->set_path("other");
  split.mutable_labels()->set_path("input");
  WriteBytes(folder + "/other", Npy("|u1", "(4, 2)", "abcdefgh"));
  Import(request, input, folder);
}

void Csv(absl::string_view input, const std::string& folder) {
  v1::ImportDatasetRequest request;
  v1::SplitSource& split = AddSplit(request);
  split.set_format(v1::FORMAT_CSV);
  split.mutable_csv()->set_label_column("y");
  Import(request, input, folder);
}

void Images(absl::string_view input, const std::string& folder) {
  v1::ImportDatasetRequest request;
  AddSplit(request).set_format(v1::FORMAT_IMAGES);
  Import(request, input, folder);
}

void ReadSafetensors(absl::string_view input, const std::string& folder) {
  WriteBytes(folder + "/weights.safetensors", std::string(input));
  const auto file = core::Safetensors::Open(folder + "/weights.safetensors");
  if (file.ok()) file->LoadAll();
}

void Manifest(absl::string_view input, const std::string& folder) {
  const std::string checkpoint = folder + "/step-000000000007";
  core::CreateFolders(checkpoint).IgnoreError();
  WriteBytes(checkpoint + "/manifest.json", std::string(input));
  WriteBytes(checkpoint + "/manifest.crc32", core::Crc32Hex(input) + "\n");
  core::FindCheckpoint(folder, "best").IgnoreError();
}

}  // namespace

const std::vector<Target>& Targets() {
  static const std::vector<Target> kTargets = {
      {"create_job", CreateJob, Make<v1::CreateJobRequest>},
      {"describe_network", DescribeNetwork, Make<v1::DescribeNetworkRequest>},
      {"watch_job", WatchJob, Make<v1::WatchJobRequest>},
      {"arrays", Arrays},
      {"labels", Labels},
      {"csv", Csv},
      {"images", Images},
      {"safetensors", ReadSafetensors},
      {"manifest", Manifest},
  };
  return kTargets;
}

}  // namespace traind::fuzz
