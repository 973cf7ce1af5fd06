#include "tests/fuzz/targets.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "client/job_file.h"
#include "client/parse_text.h"
#include "client/parse_yaml.h"
#include "core/base/checksum.h"
#include "core/base/file.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/data/dataset_dir.h"
#include "core/job/resolve.h"
#include "server/resources/names.h"
#include "server/resources/request_bounds.h"
#include "server/services/watch_request.h"
#include "server/webhooks/answer.h"
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
    server::CheckLayersOf(request.name(), request.layers(), network, errors.scope());
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

// YAML, JSON and text format. What was read is printed in each of them, and is the same when it is read again.
void JobFile(absl::string_view input, const std::string&) {
  const auto read = client::JobFile::Parse(input, "job");
  if (!read.ok()) return;
  for (const auto style : {client::YamlStyle::kYaml, client::YamlStyle::kJson}) {
    const auto printed = client::PrintYaml(read->spec(), style);
    if (!printed.ok()) continue;
    const auto again = client::JobFile::Parse(*printed, style == client::YamlStyle::kYaml ? "job.yaml" : "job.json");
    if (!again.ok() || client::PrintText(again->spec()) != client::PrintText(read->spec())) {
      std::fprintf(stderr, "not the same when it is read again: %s\n%s\n", again.status().ToString().c_str(),
                   printed->c_str());
      std::abort();
    }
  }
}

// As it comes over the net, in pieces.
void WebhookAnswer(absl::string_view input, const std::string&) {
  constexpr size_t kPiece = 1000;
  server::WebhookAnswer answer;
  for (size_t at = 0; at < input.size() && !answer.done(); at += kPiece) {
    answer.Put(input.substr(at, kPiece)).IgnoreError();
  }
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
      {"job_file", JobFile},
      {"webhook_answer", WebhookAnswer},
  };
  return kTargets;
}

}  // namespace traind::fuzz
