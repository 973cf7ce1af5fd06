// From a request to use a trained model to what will run, as core/job/resolve.h does for jobs: all checked at once,
// before any worker starts, every default filled in. Pure. `job` is the resolved spec of the job that the model is of.
// `dataset` is the one of DatasetOf, null when it does not exist, which the caller has reported (everything that does
// not depend on it is still checked). Violations go to `errors`, the scope of the request; a result is meaningful only
// when there were none.
#pragma once

#include <string>

#include "core/base/errors.h"
#include "core/kinds/loss.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::core {

// The dataset that is read, by the request or else by the job.
const std::string& DatasetOf(const v1::EvaluateRequest& request, const v1::JobSpec& job);
const std::string& DatasetOf(const v1::PredictSplitRequest& request, const v1::JobSpec& job);

// What to evaluate with: the job's spec where the request says nothing else.
v1::JobSpec ResolveEvaluation(const v1::EvaluateRequest& request, const v1::JobSpec& job, const v1::Dataset* dataset,
                              const FieldErrors& errors);

// The request with every default filled in.
v1::PredictRequest ResolvePrediction(const v1::PredictRequest& request, const v1::JobSpec& job,
                                     const FieldErrors& errors);
// The same; `range.count` ends with the split.
v1::PredictSplitRequest ResolvePredictSplit(const v1::PredictSplitRequest& request, const v1::JobSpec& job,
                                            const v1::Dataset* dataset, const FieldErrors& errors);

// The most bytes of the examples in a PredictResponse: the rest of a message of 4 MiB is for names and notes.
inline constexpr int64_t kMaxAnswerBytes = (int64_t{4} << 20) - (int64_t{128} << 10);

// The most bytes that one example takes in a PredictResponse.
int64_t PredictionBytes(int64_t outputs, OutputMeaning meaning, bool several_looks);

// The shape that examples of the shape `given` are taken to have by a model of examples like `stored`: that one, when
// they are as many numbers and one of the two is flat.
Shape SeenAs(const Shape& given, const Shape& stored);

}  // namespace traind::core
