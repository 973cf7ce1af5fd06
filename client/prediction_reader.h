// The predictions of one PredictSplit, in order, each example exactly once, across any number of broken connections.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "client/retry.h"
#include "client/stub.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {

class Connection;

// Thread-compatible.
class PredictionReader {
 public:
  PredictionReader(std::shared_ptr<Connection> connection, v1::ReadPredictionsRequest request);

  // Waits for the next examples, a few MiB of them at most. Nothing: that was all. A broken connection is opened again
  // after the last example seen; only when that fails for the whole retry policy is it an error.
  absl::StatusOr<std::optional<v1::PredictResponse>> Next();

 private:
  const std::shared_ptr<Connection> connection_;
  v1::ReadPredictionsRequest request_;  // Its `first` is the next example to come.
  Backoff backoff_;
  std::unique_ptr<ReadStream<v1::PredictResponse>> stream_;
};

}  // namespace traind::client
