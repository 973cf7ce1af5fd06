// Which convolution kernels a layer uses, direct or Winograd: a fixed rule, so that a job computes the same bits each
// time. It depends only on the shape, the precision, the instruction set and the version of oneDNN; never on a clock.
// Thread-safe: a pure function.
#pragma once

#include <cstdint>
#include <string>

#include "core/onednn/onednn.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

struct ConvolutionShape {
  int64_t batch = 1;
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  int64_t stride_height = 1;
  int64_t stride_width = 1;
  int64_t dilation_height = 1;  // 1 is a dense kernel.
  int64_t dilation_width = 1;
  int64_t padding = 0;  // The largest of the four.
  int64_t output_height = 1;
  int64_t output_width = 1;
};

// What the kernels are generated for; by default this machine's.
struct ConvolutionTarget {
  std::string instruction_set = onednn::InstructionSet();
  onednn::Version version = onednn::LibraryVersion();
};

// DIRECT or WINOGRAD. `requested`: AUTO decides by the measured table, WINOGRAD takes it wherever there are kernels for
// it, DIRECT never does.
v1::ConvolutionAlgorithm ChooseConvolution(const ConvolutionShape& shape, v1::Precision precision,
                                           v1::ConvolutionAlgorithm requested, const ConvolutionTarget& target = {});

}  // namespace traind::core
