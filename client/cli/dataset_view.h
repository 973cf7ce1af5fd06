// What the dataset commands share.
#pragma once

#include <string>

#include "client/cli/commands.h"
#include "traind/v1/dataset.pb.h"

namespace traind::client {

// One dataset for people, as JSON, or its name alone.
void PrintDataset(const Context& context, const v1::Dataset& dataset);

// What `dataset describe` finds.
void PrintDescription(const Context& context, const v1::DatasetDescription& description);

// `dataset describe`.
int DescribeDataset(const Context& context, const std::string& name, bool async);

// `dataset import` and `dataset upload`.
void AddImportCommands(CLI::App& dataset, Context& context);

}  // namespace traind::client
