// The reference networks of the benchmarks, as users would write them; pytorch_peer.py has the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace traind::bench {

struct ReferenceNetwork {
  std::string name;
  int64_t batch;
  std::string network;  // A traind.v1.Network in text format.
  int64_t tokens = 0;   // The input is ids below it; 0: numbers.
};

const std::vector<ReferenceNetwork>& ReferenceNetworks();

}  // namespace traind::bench
