#include "client/prediction_reader.h"

#include <utility>

#include "client/connection.h"

namespace traind::client {

PredictionReader::PredictionReader(std::shared_ptr<Connection> connection, v1::ReadPredictionsRequest request)
    : connection_(std::move(connection)),
      request_(std::move(request)),
      backoff_(connection_->options().stream_retry, connection_->NextSeed()) {}

absl::StatusOr<std::optional<v1::PredictResponse>> PredictionReader::Next() {
  while (true) {
    if (stream_ == nullptr) stream_ = connection_->stub().ReadPredictions(request_);
    v1::PredictResponse response;
    if (stream_->Read(&response)) {
      request_.set_first(request_.first() + (response.shape_size() > 0 ? response.shape(0) : 0));
      backoff_.Reset();
      return response;
    }
    const absl::Status status = stream_->Finish();
    stream_.reset();
    if (status.ok()) return std::nullopt;
    if (absl::Status failure = connection_->WaitAfter(status, backoff_); !failure.ok()) return failure;
  }
}

}  // namespace traind::client
