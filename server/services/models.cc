#include "server/services/models.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/base/labels.h"
#include "core/base/machine.h"
#include "core/base/uid.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/etag.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/resources/request_id.h"
#include "server/resources/update_mask.h"
#include "server/services/ensembles.h"
#include "server/services/model_upload.h"
#include "server/services/unreachable.h"
#include "server/services/weights.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

const Collection& ModelCollection() {
  static const Collection kCollection{
      .name = "models",
      .fields = {{v1::Model::descriptor(),
                  {"name", "uid", "labels", "owner", "pinned", "size_bytes", "create_time", "update_time"}}},
      .default_order = "name"};
  return kCollection;
}

Models::NewModel NewModelOf(const v1::UploadModelHeader& header) {
  v1::UploadModelHeader call = header;
  call.clear_request_id();
  return {.id = header.model_id(),
          .labels = header.labels(),
          .request_id = header.request_id(),
          .method = "UploadModel",
          .fingerprint = RequestFingerprint(call)};
}

// Of a folder that holds none: what can be known of the model.
v1::Model OldRecord(const std::string& name, const std::string& dir, const v1::CheckpointFile& file) {
  v1::Model model;
  model.set_uid(core::DerivedUid(absl::StrCat(name, " ", file.crc32(), " ", file.size_bytes())));
  struct stat info;
  if (stat(absl::StrCat(dir, "/", kModelSumFile).c_str(), &info) == 0) {
    *model.mutable_create_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::TimeFromTimespec(info.st_mtim)));
  }
  *model.mutable_update_time() = model.create_time();
  return model;
}

// Of an ensemble of outputs.
absl::StatusOr<v1::Model> RecordOfOutputs(const std::string& name, const std::string& dir) {
  auto bytes = core::ReadFile(dir + kModelRecordFile, 1 << 20);
  v1::Model model;
  if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
  if (!bytes.ok() || !model.ParseFromString(*bytes)) return absl::DataLossError(absl::StrCat(name, " is damaged"));
  model.set_name(name);
  model.set_etag(EtagOf(model));
  return model;
}

// The bytes of an upload that came before: nothing is to be done with them.
class NoSink : public UploadSink {
 public:
  absl::Status Write(absl::string_view) override { return absl::OkStatus(); }
  absl::Status Finish() override { return absl::OkStatus(); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<UploadSink>> Models::Upload(const v1::UploadModelHeader& header, const Caller& caller,
                                                           v1::Model* model) {
  if (absl::Status status = CheckModelHeader(header); !status.ok()) return status;
  auto earlier = FindEarlier(NewModelOf(header), caller);
  if (earlier.ok()) {
    *model = *std::move(earlier);
    return std::make_unique<NoSink>();
  }
  if (!absl::IsNotFound(earlier.status())) return earlier.status();
  return BeginModelUpload(*folder_, header,
                          [this, header, caller, model](const std::string& temporary, const v1::Model& uploaded) {
                            absl::Status status = Publish(temporary, NewModelOf(header), caller, uploaded);
                            if (!status.ok()) return status;
                            auto published = Get(header.model_id());
                            if (!published.ok()) return published.status();
                            *model = *std::move(published);
                            return absl::OkStatus();
                          });
}

absl::StatusOr<v1::Model> Models::FindEarlier(const NewModel& made, const Caller& caller) const {
  const absl::Status none = absl::NotFoundError("no model was made by this request");
  if (made.request_id.empty()) return none;
  auto stored = store_->FindRequest(RequestIdOf(caller, made.request_id), absl::Now());
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return none;
  if (absl::Status status = CheckRepeated(**stored, made.method, made.fingerprint); !status.ok()) return status;
  auto model = Get(made.id);
  // The request is stored before its model: a crash in between leaves none, or one that is another call's.
  return model.ok() && model->uid() != (*stored)->uid ? none : model;
}

absl::Status Models::Publish(const std::string& temporary, const NewModel& made, const Caller& caller,
                             const v1::Model& model) {
  v1::Model record = model;
  record.clear_tensors();
  record.set_uid(core::NewUid());
  *record.mutable_create_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
  *record.mutable_update_time() = record.create_time();
  *record.mutable_labels() = made.labels;
  record.set_owner(caller.user);
  absl::MutexLock lock(&mu_);
  if (folder_->Exists("models", made.id)) return AlreadyExistsError("Model", record.name());
  if (!made.request_id.empty()) {
    const StoredRequest request{.request_id = RequestIdOf(caller, made.request_id),
                                .method = made.method,
                                .resource = record.name(),
                                .uid = record.uid(),
                                .fingerprint = made.fingerprint,
                                .create_time = absl::Now()};
    if (absl::Status status = store_->PutRequest(request); !status.ok()) return status;
  }
  absl::Status status = core::WriteFile(temporary + kModelRecordFile, record.SerializeAsString());
  return status.ok() ? folder_->Publish(temporary, "models", made.id) : status;
}

absl::StatusOr<v1::Model> Models::GetRecord(const std::string& id) const {
  const std::string name = absl::StrCat("models/", id);
  const std::string dir = folder_->Item("models", id);
  auto ensemble = ReadEnsemble(*folder_, id);
  if (!ensemble.ok()) return ensemble.status();
  if (ensemble->has_value() && IsOfOutputs(**ensemble)) return RecordOfOutputs(name, dir);
  auto weights = FindWeights(*folder_, name, /*allow_job=*/false, "name");
  if (!weights.ok()) return weights.status();
  auto bytes = core::ReadFile(dir + kModelRecordFile, 1 << 20);
  if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
  v1::Model model;
  if (!bytes.ok()) {
    model = OldRecord(name, dir, weights->file);
  } else if (!model.ParseFromString(*bytes)) {
    return absl::DataLossError(absl::StrCat(name, " is damaged"));
  }
  model.set_name(name);
  model.set_size_bytes(weights->file.size_bytes());
  model.set_etag(EtagOf(model));
  return model;
}

absl::StatusOr<v1::Model> Models::Get(const std::string& id) const {
  auto model = GetRecord(id);
  if (!model.ok() || model->ensemble().mean() == v1::Ensemble::MEAN_OUTPUTS) return model;
  auto weights = core::Safetensors::Open(absl::StrCat(folder_->Item("models", id), "/", core::kWeightsFile));
  if (absl::IsNotFound(weights.status())) return NotFoundError("Model", model->name());  // Deleted just now.
  if (!weights.ok()) return absl::DataLossError(absl::StrCat(model->name(), " is damaged"));
  AddTensors(*weights, *model);
  return model;
}

absl::StatusOr<v1::ListModelsResponse> Models::List(const v1::ListModelsRequest& request, const Caller& caller) const {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), ModelCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  auto ids = folder_->List("models");
  if (!ids.ok()) return ids.status();
  v1::ListModelsResponse response;
  Page<v1::Model> page(query, caller);
  for (const std::string& id : *ids) {
    auto model = GetRecord(id);
    if (absl::IsNotFound(model.status())) continue;  // Deleted just now.
    if (core::IsOfMachine(model.status())) return model.status();
    if (!model.ok()) {
      LogUnreachable("models", id, model.status());
      if (caller.IsAdmin()) response.add_unreachable(absl::StrCat("models/", id));
      continue;
    }
    const std::string name = model->name();
    page.Offer(*std::move(model), name);
  }
  page.MoveTo(*response.mutable_models(), *response.mutable_next_page_token());
  return response;
}

absl::StatusOr<v1::Model> Models::Update(const v1::UpdateModelRequest& request) {
  core::FieldErrors::Root errors;
  CheckUpdateMask(request.update_mask(), {"labels", "pinned", "sharing"}, errors.scope("update_mask"));
  core::CheckLabels(request.model().labels(), errors.scope("model.labels"));
  CheckSharing(request.model().sharing(), errors.scope("model.sharing"));
  if (!errors.ok()) return errors.ToStatus();
  auto id = ParseName("models", request.model().name(), "model.name");
  if (!id.ok()) return id.status();
  absl::MutexLock lock(&mu_);
  auto model = GetRecord(*id);
  if (!model.ok()) return model;
  absl::Status status = CheckEtag(request.model().etag(), model->etag(), model->name());
  if (!status.ok()) return status;
  if (Updates(request.update_mask(), "labels")) *model->mutable_labels() = request.model().labels();
  if (Updates(request.update_mask(), "pinned")) model->set_pinned(request.model().pinned());
  if (Updates(request.update_mask(), "sharing")) *model->mutable_sharing() = request.model().sharing();
  *model->mutable_update_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
  status = core::AtomicWrite(folder_->Item("models", *id) + kModelRecordFile, model->SerializeAsString());
  return status.ok() ? Get(*id) : status;
}

absl::Status Models::Delete(const v1::DeleteModelRequest& request, const CheckUnused& check) {
  auto id = ParseName("models", request.name(), "name");
  if (!id.ok()) return id.status();
  absl::MutexLock lock(&mu_);
  // One that is damaged may go, too; it has no etag.
  auto model = GetRecord(*id);
  if (absl::IsNotFound(model.status()) && !folder_->Exists("models", *id)) return model.status();
  absl::Status status = model.ok() ? CheckEtag(request.etag(), model->etag(), model->name()) : absl::OkStatus();
  if (status.ok()) status = check(request.name());
  if (status.ok()) status = folder_->Remove("models", *id);
  return status.ok() ? store_->EndRequests(request.name(), absl::Now()) : status;
}

}  // namespace traind::server
