// Operations for people: waiting for one with a bar, and what it made.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "client/cli/context.h"
#include "client/cli/prediction_rows.h"
#include "client/cli/styled.h"
#include "traind/v1/operation.pb.h"

namespace traind::client {

// "import datasets/fashion  ██████░░░░  60 %  36,000 of 60,000 examples  2.0 s left"; of one that waits, for what.
std::string RenderOperation(const v1::OperationMetadata& metadata, int width);

// "import" for "ImportDataset".
std::string WorkOf(const v1::OperationMetadata& metadata);

Style OperationStyle(v1::OperationState state);

// Waits until the operation is done, with a bar on a terminal, and gives it. Without one, `code` says why: Ctrl-C,
// after a word on how to go on, or an error, which was told.
std::optional<v1::Operation> AwaitOperation(const Context& context, Client client, const std::string& name, int* code);

// The outcome of a call that begins an operation: with `async` its name, otherwise `show` of the operation when it has
// succeeded. Returns the exit code.
int FinishOperation(const Context& context, Client client, const absl::StatusOr<v1::Operation>& begun, bool async,
                    absl::FunctionRef<int(const v1::Operation&)> show);

// What an operation made, as the command that began it shows it; predictions in their style.
int ShowResult(const Context& context, Client client, const v1::Operation& operation,
               const PredictionStyle& style = {});

}  // namespace traind::client
