// The resource names that a job's spec may hold. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace traind::core {

// True for [a-z]([a-z0-9-]{0,61}[a-z0-9])?
bool IsResourceId(std::string_view id);

// "datasets/{id}" from itself or from the id alone; empty when `name` is neither.
std::string DatasetName(std::string_view name);

// True for "jobs/{id}/checkpoints/{step}", where the step may be "latest" or "best"; "jobs/{id}"; "models/{id}".
bool IsWeightsName(std::string_view name);

}  // namespace traind::core
