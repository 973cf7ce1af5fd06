// Predictions as a table, as CSV, as JSON lines or in a file, a part at a time: any number of examples in little
// memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "client/cli/prediction_rows.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {

inline constexpr char kPredictionOutputHelp[] =
    "Where predictions go: a .npy file (the outputs, float32), .csv or .jsonl; default: a table";

// INVALID_ARGUMENT: the file has none of the endings above, and no format is given.
absl::Status CheckPredictionOutput(const PredictionStyle& style);

class PredictionWriter {
 public:
  virtual ~PredictionWriter() = default;
  // The next examples; their outputs are as many as the shape says.
  virtual absl::Status Write(const PredictionRows& rows, const v1::PredictResponse& part) = 0;
  virtual absl::Status Finish() { return absl::OkStatus(); }  // After the last ones.
};

// Of `made`.examples() examples. `context` and `style` outlive the writer.
absl::StatusOr<std::unique_ptr<PredictionWriter>> MakePredictionWriter(const Context& context,
                                                                       const v1::PredictSplitResponse& made,
                                                                       const PredictionStyle& style);

// INTERNAL: the part's shape is not what `made` or its own outputs say.
absl::Status WritePredictions(const v1::PredictResponse& part, const v1::PredictSplitResponse& made,
                              PredictionWriter& writer);
// After all parts. Returns the exit code.
int FinishPredictions(const Context& context, const v1::PredictSplitResponse& made, PredictionWriter& writer,
                      const std::string& path);

// Reads what a PredictSplit has made and writes it. Returns the exit code.
int CopyPredictions(const Context& context, Client client, const v1::PredictSplitResponse& made,
                    const PredictionStyle& style);

}  // namespace traind::client
