#include "server/services/read_predictions_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/resources/names.h"
#include "server/rpc/stream_call.h"
#include "server/wire/predictions.h"

namespace traind::server {
namespace {

class ReadPredictionsCall final : public StreamCall<v1::PredictResponse> {
 public:
  ReadPredictionsCall(const Backend& backend, grpc::CallbackServerContext& call,
                      const v1::ReadPredictionsRequest& request)
      : StreamCall(*backend.files, call), backend_(backend), request_(request) {
    Resume();
  }

 protected:
  const google::protobuf::Message& request() const override { return request_; }
  absl::StatusOr<Next> Advance(v1::PredictResponse& response) override {
    if (!std::exchange(begun_, true)) {
      if (absl::Status status = Begin(); !status.ok()) return status;
    }
    auto more = reader_.Next(response);
    if (!more.ok()) return more.status();
    return *more ? Next::kWrite : Next::kEnd;
  }

 private:
  absl::Status Begin() {
    auto id = ParseName("operations", request_.operation(), "operation");
    if (!id.ok()) return id.status();
    auto operation = backend_.operations->Get(*id);
    if (!operation.ok()) return operation.status();
    v1::PredictSplitResponse made;
    if (!operation->response().UnpackTo(&made)) return NoPredictions(*operation);
    if (request_.first() < 0 || request_.first() > made.examples()) {
      return absl::OutOfRangeError(
          absl::StrCat("first ", request_.first(), " is not among the ", made.examples(), " examples"));
    }
    auto reader = PredictionsReader::Open(PredictionsPath(*backend_.folder, *id), request_.first());
    if (absl::IsNotFound(reader.status()))
      return NotFoundError("Operation", request_.operation());  // Deleted just now.
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
    return absl::OkStatus();
  }

  static absl::Status NoPredictions(const v1::Operation& operation) {
    if (!operation.done()) return absl::FailedPreconditionError(absl::StrCat(operation.name(), " is not done yet"));
    if (operation.has_error()) {
      return absl::FailedPreconditionError(absl::StrCat(operation.name(), " failed: ", operation.error().message()));
    }
    return absl::FailedPreconditionError(absl::StrCat(operation.name(), " is no PredictSplit"));
  }

  const Backend backend_;
  const v1::ReadPredictionsRequest request_;
  bool begun_ = false;
  PredictionsReader reader_;
};

}  // namespace

grpc::ServerWriteReactor<v1::PredictResponse>* ReadPredictions(const Backend& backend,
                                                               grpc::CallbackServerContext* context,
                                                               const v1::ReadPredictionsRequest& request) {
  return new ReadPredictionsCall(backend, *context, request);
}

}  // namespace traind::server
