// The `label` commands of jobs, datasets and models.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "client/cli/context.h"
#include "client/cli/labels.h"

namespace traind::client {

// Changes the labels of one resource and returns the exit code.
using LabelAction = std::function<int(const std::string& name, const std::vector<LabelChange>& changes)>;

// Declares "NAME... KEY=VALUE... KEY-..." on `command`. `kind` and `full_name` as in Verb.
void AddLabelWords(CLI::App& command, Context& context, const char* kind, std::string (*full_name)(absl::string_view),
                   LabelAction action);

// What a resource is labelled with now, or the error.
template <typename Resource>
int ShowLabels(const Context& context, const absl::StatusOr<Resource>& resource) {
  if (!resource.ok()) return context.Fail(resource.status());
  if (context.json) {
    context.PrintJson(*resource);
  } else if (!context.quiet) {
    context.out() << resource->name() << " " << FormatLabels(resource->labels()) << "\n";
  }
  return kOk;
}

}  // namespace traind::client
