// Which convolution kernels a layer uses, direct or Winograd: a fixed rule, so that a job computes the same bits each
// time. It depends only on the shape, the precision, the instruction set and the version of oneDNN; never on a clock.
// Thread-safe: a pure function.
#pragma once

#include <cstdint>
#include <string>

#include "core/kinds/window.h"
#include "core/onednn/onednn.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// What the kernels are generated for; by default this machine's.
struct ConvolutionTarget {
  std::string instruction_set = onednn::InstructionSet();
  onednn::Version version = onednn::LibraryVersion();
};

// DIRECT or WINOGRAD, for minibatches of `batch`. `requested`: AUTO decides by the measured table, WINOGRAD takes it
// wherever there are kernels for it, DIRECT never does.
v1::ConvolutionAlgorithm ChooseConvolution(const ConvolutionShape& shape, int64_t batch, v1::Precision precision,
                                           v1::ConvolutionAlgorithm requested, const ConvolutionTarget& target = {});

}  // namespace traind::core
