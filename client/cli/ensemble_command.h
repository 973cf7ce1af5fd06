// `trainctl model ensemble`, and what people see of models that are made of others.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "client/cli/context.h"
#include "traind/v1/checkpoint.pb.h"

namespace traind::client {

void AddEnsembleCommand(CLI::App& model, Context& context);

// Of a model with `ensemble`: "the mean of the outputs of 5 members, 1.2 MB".
std::string DescribeEnsemble(const v1::Model& model);
// Its members, one a line.
std::string EnsembleTable(const Context& context, const v1::Model& model);

}  // namespace traind::client
