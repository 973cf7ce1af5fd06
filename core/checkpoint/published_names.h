// What torchvision and timm call the tensors of the networks that our presets are, too (torchvision 0.14 to 0.22; timm
// 0.9 and 1.0). Pure; thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

class PublishedNames {
 public:
  // `network` are the names of all its tensors, by which it is known what preset it is, or begins with.
  PublishedNames(absl::Span<const std::string> network, v1::InitialWeights::Names names);

  // Whether it is one of the presets that are published under these names.
  bool known() const { return family_ != Family::kNone; }
  // The name of a tensor of the network in a file of such names; nullopt: it has none.
  std::optional<std::string> Of(absl::string_view tensor) const;

 private:
  enum class Family { kNone, kAlexnet, kVgg16, kResnet, kDensenet };

  Family family_ = Family::kNone;
  bool timm_ = false;
  bool batch_norm_ = false;  // Of vgg16, whose numbers then count it.
};

}  // namespace traind::core
