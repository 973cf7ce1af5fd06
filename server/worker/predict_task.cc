#include "server/worker/predict_task.h"

#include "server/wire/predictions.h"
#include "server/wire/result.h"

namespace traind::server {

internal::Result RunPredictSplit(const core::InferenceRequest& request, const internal::PredictTask& task,
                                 const core::Progress& progress) {
  auto writer = PredictionsWriter::Create(task.output_path());
  if (!writer.ok()) return Failure(writer.status());
  auto predicted = core::PredictSplit(
      request, task.split(), [&writer](const v1::PredictResponse& part) { return writer->Append(part); }, progress);
  if (!predicted.ok()) return Failure(predicted.status());
  auto size = writer->Finish();
  if (!size.ok()) return Failure(size.status());
  predicted->set_size_bytes(*size);
  internal::Result result;
  *result.mutable_predict_split() = *std::move(predicted);
  return result;
}

}  // namespace traind::server
