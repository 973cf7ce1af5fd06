#include "server/services/ensembles.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/base/labels.h"
#include "core/base/listing.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/job/members_match.h"
#include "server/resources/names.h"
#include "server/resources/request_id.h"
#include "server/services/inference.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

constexpr char kEnsembleFile[] = "/ensemble.pb";
constexpr int64_t kMaxRecordBytes = int64_t{64} << 20;
constexpr size_t kLayersListed = 5;
constexpr int64_t kPartElements = int64_t{1} << 20;

std::string MemberField(size_t i) { return absl::StrCat("members[", i, "]"); }

absl::Status CheckRequest(const v1::CreateEnsembleRequest& request) {
  core::FieldErrors::Root errors;
  const core::FieldErrors scope = errors.scope();
  CheckId(request.model_id(), scope.At("model_id"));
  core::CheckLabels(request.labels(), scope.At("labels"));
  CheckRequestId(request.request_id(), scope);
  if (request.members_size() < 2 || request.members_size() > kMaxMembers) {
    scope.At("members").Add(absl::StrCat("must be 2 to ", kMaxMembers, ", not ", request.members_size()));
  }
  if (!v1::Ensemble::Mean_IsValid(request.mean())) scope.At("mean").Add("must be OUTPUTS or WEIGHTS");
  if (!v1::CreateEnsembleRequest::RunningStatistics_IsValid(request.running_statistics())) {
    scope.At("running_statistics").Add("must be REFUSE or MEAN");
  }
  return errors.ToStatus();
}

// The members, each sound.
absl::StatusOr<std::vector<Trained>> FindMembers(const v1::CreateEnsembleRequest& request, const Backend& backend) {
  std::vector<Trained> members;
  for (const v1::ModelRef& ref : request.members()) {
    const std::string field = MemberField(members.size());
    auto trained = FindTrained(ref, backend, field);
    if (!trained.ok()) return trained.status();
    if (!trained->others.empty()) {
      return FieldError(field + ".model", absl::StrCat(trained->name, " is an ensemble of outputs; name its members"));
    }
    for (size_t i = 0; i < members.size(); ++i) {
      if (members[i].name != trained->name) continue;
      return FieldError(field + ".model", absl::StrCat("is ", trained->name, ", as ", MemberField(i), ".model is"));
    }
    members.push_back(*std::move(trained));
  }
  return members;
}

absl::Status CheckTogether(const std::vector<Trained>& members, v1::Ensemble::Mean mean) {
  core::FieldErrors::Root errors;
  const Trained& first = members.front();
  for (size_t i = 1; i < members.size(); ++i) {
    const core::FieldErrors field = errors.scope(MemberField(i));
    core::CheckMembers(first.spec, first.trained_on, members[i].spec, members[i].trained_on, field);
    if (mean == v1::Ensemble::MEAN_WEIGHTS) core::CheckSameNetwork(first.spec, members[i].spec, field);
  }
  return errors.ToStatus();
}

// The same numbers in both files, or none in either.
absl::StatusOr<bool> SameTensors(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  auto left = core::Safetensors::Open(a), right = core::Safetensors::Open(b);
  if (!left.ok()) return left.status();
  if (!right.ok()) return right.status();
  if (left->entries().size() != right->entries().size()) return false;
  return std::all_of(left->entries().begin(), left->entries().end(), [&](const auto& entry) {
    const auto* const other = right->Find(entry.name);
    return other != nullptr && left->Bytes(entry) == right->Bytes(*other);
  });
}

// The mean of the members' tensors, part by part: 16 MiB, however large they are.
class MeanOfWeights {
 public:
  static absl::StatusOr<MeanOfWeights> Open(const std::vector<Trained>& members) {
    MeanOfWeights mean;
    for (size_t i = 0; i < members.size(); ++i) {
      auto file = core::Safetensors::Open(members[i].weights_path);
      if (!file.ok()) return file.status();
      mean.files_.push_back(*std::move(file));
      for (const auto& entry : mean.files_.front().entries()) {
        const auto* const other = mean.files_.back().Find(entry.name);
        if (other != nullptr && other->shape == entry.shape) continue;
        return FieldError(MemberField(i) + ".model",
                          absl::StrCat(members[i].name, " has ", other == nullptr ? "no" : "another shape of the",
                                       " tensor ", entry.name, ", which ", members[0].name, " has"));
      }
    }
    return mean;
  }

  // The layers with running statistics.
  std::vector<std::string> Normalized() const {
    constexpr absl::string_view kRunning = ".running_mean";
    std::vector<std::string> layers;
    for (const auto& entry : files_.front().entries()) {
      if (absl::EndsWith(entry.name, kRunning)) {
        layers.push_back(entry.name.substr(0, entry.name.size() - kRunning.size()));
      }
    }
    return layers;
  }

  absl::StatusOr<core::WrittenFile> Write(const std::string& path) const {
    Part part;
    std::vector<core::TensorSource> sources;
    for (const auto& entry : files_.front().entries()) {
      sources.push_back({.name = entry.name,
                         .shape = entry.shape,
                         .values =
                             [this, &part, entry, first = int64_t{0}]() mutable {
                               const auto mean = MeanFrom(first, entry, part);
                               first += static_cast<int64_t>(mean.size());
                               return mean;
                             },
                         .in_parts = true});
    }
    return core::WriteSafetensors(path, sources, {}, /*only_finite=*/true);
  }

 private:
  struct Part {
    std::vector<double> exact = {};
    std::vector<float> one = {}, mean = {};
  };

  // Of at most kPartElements elements of the tensor.
  absl::Span<const float> MeanFrom(int64_t first, const core::Safetensors::Entry& entry, Part& part) const {
    const auto elements = static_cast<size_t>(std::min(kPartElements, core::Elements(entry.shape) - first));
    part.exact.assign(elements, 0.0);
    part.one.resize(elements);
    part.mean.resize(elements);
    for (const core::Safetensors& file : files_) {
      file.Read(*file.Find(entry.name), absl::MakeSpan(part.one), first);
      for (size_t i = 0; i < elements; ++i) part.exact[i] += part.one[i];
    }
    const auto count = static_cast<double>(files_.size());
    for (size_t i = 0; i < elements; ++i) part.mean[i] = static_cast<float>(part.exact[i] / count);
    return part.mean;
  }

  std::vector<core::Safetensors> files_;
};

absl::Status LinkInto(const std::string& file, const std::string& folder, const v1::CheckpointFile& link) {
  const absl::Status linked = core::LinkOrCopy(file, absl::StrCat(folder, "/", link.name()));
  if (absl::IsNotFound(linked)) return absl::UnavailableError("a member was removed just now; try again");
  return linked;
}

// A network of the record, without its weights; links its preprocessing.
absl::Status AddNetwork(const Trained& member, const std::string& folder, const std::string& preprocessing,
                        internal::EnsembleRecord& record) {
  internal::EnsembleRecord::Network& network = *record.add_networks();
  *network.mutable_spec() = member.spec;
  network.mutable_job()->set_name(member.job.name());
  network.mutable_job()->set_uid(member.job.uid());
  *network.mutable_job()->mutable_create_time() = member.job.create_time();
  network.mutable_job()->set_memory_bound_bytes(member.memory_bound_bytes);
  if (member.trained_on.has_value()) *network.mutable_trained_on() = *member.trained_on;
  if (member.preprocessing_path.empty()) return absl::OkStatus();
  *network.mutable_preprocessing() = member.preprocessing_file;
  network.mutable_preprocessing()->set_name(preprocessing);
  return LinkInto(member.preprocessing_path, folder, network.preprocessing());
}

absl::Status FillOutputs(const std::vector<Trained>& members, const std::string& folder,
                         internal::EnsembleRecord& record) {
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string name = absl::StrCat("member-", i);
    absl::Status status = AddNetwork(members[i], folder, name + ".preprocessing.safetensors", record);
    if (!status.ok()) return status;
    v1::CheckpointFile& weights = *record.mutable_networks(static_cast<int>(i))->mutable_weights();
    weights = members[i].weights_file;
    weights.set_name(name + ".safetensors");
    if (status = LinkInto(members[i].weights_path, folder, weights); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FillWeights(const v1::CreateEnsembleRequest& request, const std::vector<Trained>& members,
                         const std::string& folder, internal::EnsembleRecord& record) {
  for (size_t i = 1; i < members.size(); ++i) {
    const auto same = SameTensors(members[0].preprocessing_path, members[i].preprocessing_path);
    if (!same.ok()) return same.status();
    if (*same) continue;
    return FieldError(MemberField(i),
                      "was fitted to other data: its preprocessing has other numbers than that of "
                      "members[0], and the mean of weights can have one alone; mean OUTPUTS keeps each "
                      "member's own");
  }
  auto mean = MeanOfWeights::Open(members);
  if (!mean.ok()) return mean.status();
  const std::vector<std::string> layers = mean->Normalized();
  if (!layers.empty() && request.running_statistics() != v1::CreateEnsembleRequest::RUNNING_STATISTICS_MEAN) {
    return FieldError("running_statistics",
                      absl::StrCat("the network has batch normalization (", core::Listing(layers, kLayersListed),
                                   "), whose running statistics are those of one member's weights; MEAN takes the mean "
                                   "of them, too, or use mean OUTPUTS"));
  }
  if (absl::Status status = AddNetwork(members[0], folder, core::kPreprocessingFile, record); !status.ok()) {
    return status;
  }
  v1::DataSpec& data = *record.mutable_networks(0)->mutable_spec()->mutable_data();
  for (const Trained& member : members) {
    if (core::HeldOutTogether(members[0].spec.data(), member.spec.data())) continue;
    core::ForgetHeldOut(data);  // Each saw what another held out.
    break;
  }
  const auto written = mean->Write(absl::StrCat(folder, "/", core::kWeightsFile));
  if (!written.ok()) return written.status();
  v1::CheckpointFile& weights = *record.mutable_networks(0)->mutable_weights();
  weights.set_name(core::kWeightsFile);
  weights.set_size_bytes(written->size_bytes);
  weights.set_crc32(written->crc32);
  return core::WriteFile(absl::StrCat(folder, "/", kModelSumFile), weights.SerializeAsString());
}

// What the API says of it.
v1::Model Describe(const v1::CreateEnsembleRequest& request, const std::vector<Trained>& members,
                   const internal::EnsembleRecord& record) {
  v1::Model model;
  model.set_name(absl::StrCat("models/", request.model_id()));
  v1::Ensemble& ensemble = *model.mutable_ensemble();
  ensemble.set_mean(request.mean() == v1::Ensemble::MEAN_UNSPECIFIED ? v1::Ensemble::MEAN_OUTPUTS : request.mean());
  for (const Trained& trained : members) {
    v1::EnsembleMember& member = *ensemble.add_members();
    member.set_model(trained.name);
    member.set_job(trained.job.name());
    member.set_size_bytes(trained.weights_file.size_bytes());
    if (trained.evaluation_loss.has_value()) member.set_evaluation_loss(*trained.evaluation_loss);
  }
  int64_t bytes = 0;
  for (const auto& network : record.networks()) bytes += network.weights().size_bytes();
  model.set_size_bytes(bytes);
  return model;
}

std::string FingerprintOf(v1::CreateEnsembleRequest request) {
  request.clear_request_id();
  return RequestFingerprint(request);
}

}  // namespace

absl::StatusOr<std::optional<internal::EnsembleRecord>> ReadEnsemble(const DataFolder& folder, absl::string_view id) {
  auto bytes = core::ReadFile(folder.Item("models", id) + kEnsembleFile, kMaxRecordBytes);
  if (absl::IsNotFound(bytes.status())) return std::nullopt;
  if (!bytes.ok()) return bytes.status();
  internal::EnsembleRecord record;
  if (!record.ParseFromString(*bytes) || record.networks().empty()) {
    return absl::DataLossError(absl::StrCat("models/", id, " is damaged"));
  }
  return record;
}

bool IsOfOutputs(const internal::EnsembleRecord& record) { return record.networks_size() > 1; }

absl::Status NoWeights(const std::string& name, absl::string_view field) {
  return FieldError(field, absl::StrCat(name,
                                        " is an ensemble of outputs: it has no weights of its own, and can be "
                                        "evaluated and predict; take one of its members, or a mean of weights"));
}

absl::StatusOr<v1::Model> CreateEnsemble(const v1::CreateEnsembleRequest& request, const Caller& caller,
                                         const Backend& backend, Models& models) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  const Models::NewModel made{.id = request.model_id(),
                              .labels = request.labels(),
                              .request_id = request.request_id(),
                              .method = "CreateEnsemble",
                              .fingerprint = FingerprintOf(request)};
  auto earlier = models.FindEarlier(made, caller);
  if (!absl::IsNotFound(earlier.status())) return earlier;
  if (backend.folder->Exists("models", made.id)) return AlreadyExistsError("Model", "models/" + made.id);
  auto members = FindMembers(request, backend);
  if (!members.ok()) return members.status();
  if (absl::Status status = CheckTogether(*members, request.mean()); !status.ok()) return status;

  auto folder = backend.folder->NewTemporary();
  if (!folder.ok()) return folder.status();
  internal::EnsembleRecord record;
  absl::Status status = request.mean() == v1::Ensemble::MEAN_WEIGHTS ? FillWeights(request, *members, *folder, record)
                                                                     : FillOutputs(*members, *folder, record);
  if (status.ok() && record.ByteSizeLong() > static_cast<size_t>(kMaxRecordBytes)) {
    status = FieldError("members", absl::StrCat("have networks and names of ", record.ByteSizeLong(),
                                                " bytes together; at most ", kMaxRecordBytes));
  }
  if (status.ok()) status = core::WriteFile(*folder + kEnsembleFile, record.SerializeAsString());
  if (status.ok()) status = models.Publish(*folder, made, caller, Describe(request, *members, record));
  if (!status.ok()) {
    core::RemoveAll(*folder).IgnoreError();  // What is left over is freed at the next start.
    return status;
  }
  return models.Get(made.id);
}

}  // namespace traind::server
