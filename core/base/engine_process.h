// What a process that trains sets for its threads, so that numbers and speed depend on nothing else: not on who started
// it, nor on what else runs. The worker and the benchmarks use it alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace traind::core {

// The part of `environment` ("NAME=value", ended by null) that such a process gets, and its own settings for OpenMP and
// oneDNN, which both read them when they are loaded. Applied to its own result it changes nothing. Thread-safe.
std::vector<std::string> EngineEnvironment(const char* const* environment, uint32_t threads);

}  // namespace traind::core
