// Cross-correlation over a sequence [features, length], which lies in memory as an image of one row: see convolution.h.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/layers/convolution.h"
#include "core/layers/weighted.h"

namespace traind::core {
namespace {

// As those of windows over images.
constexpr uint32_t kMostPositions = 1 << 20;

// Of one row; writes the resolved padding back, before and after.
Window ResolveSequenceWindow(v1::Conv1d& config, const FieldErrors& errors) {
  if (!config.has_stride()) config.set_stride(1);
  if (!config.has_dilation()) config.set_dilation(1);
  CheckCount(config.kernel(), 1, kMostPositions, errors.At("kernel"));
  CheckCount(config.stride(), 1, kMostPositions, errors.At("stride"));
  CheckCount(config.dilation(), 1, kMostPositions, errors.At("dilation"));
  Window window{.kernel = {1, config.kernel()}, .stride = {1, config.stride()}, .dilation = {1, config.dilation()}};
  v1::Padding& padding = *config.mutable_padding();
  auto& amount = *padding.mutable_amount();
  const FieldErrors wrong = errors.At("padding");
  if (padding.mode() != v1::Padding::MODE_UNSPECIFIED) {
    if (!v1::Padding::Mode_IsValid(padding.mode())) {
      wrong.At("mode").Add(absl::StrCat("must be VALID or SAME, not ", static_cast<int>(padding.mode())));
    }
    if (!amount.empty()) wrong.At("amount").Add("contradicts the mode, which says how much");
    window.same = padding.mode() == v1::Padding::MODE_SAME;
  } else if (amount.empty()) {
    padding.set_mode(v1::Padding::MODE_VALID);
  } else if (amount.size() > 2) {
    wrong.At("amount").Add(absl::StrCat("takes one value, or before and after, not ", amount.size(), " values"));
  } else {
    if (amount.size() == 1) amount.Add(amount.Get(0));
    for (const uint32_t value : amount) CheckCount(value, 0, kMostPositions, wrong.At("amount"));
    window.padding_begin[1] = amount.Get(0);
    window.padding_end[1] = amount.Get(1);
  }
  return window;
}

const Registered<Layer, v1::Conv1d> kConv1d("Cross-correlation over the positions of a sequence.",
                                            [](v1::Conv1d& config,
                                               const FieldErrors& errors) -> std::unique_ptr<Layer> {
                                              const int before = errors.count();
                                              CheckChannels(config.out_channels(), errors.At("out_channels"));
                                              const Window window = ResolveSequenceWindow(config, errors);
                                              ResolveGroups(config, errors);
                                              ResolveWeights(config, errors);
                                              if (errors.count() > before) return nullptr;
                                              v1::Conv2d same = WeightsOf(config);
                                              same.set_out_channels(config.out_channels());
                                              same.set_groups(config.groups());
                                              return std::make_unique<ConvolutionLayer>(
                                                  same, window, ConvolutionLayer::Over::kSequence);
                                            });

}  // namespace
}  // namespace traind::core
