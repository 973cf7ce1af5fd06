#include "core/presets/residual_head.h"

#include <utility>

#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"

namespace traind::core {

void AddResidualHead(const ResidualHead& head, std::vector<v1::Layer>& layers) {
  if (head.pre_activation) {
    v1::Layer norm = head.fixup ? MakeScalarAffine("bias1", /*weight=*/false, /*bias=*/true) : MakeBatchNorm("norm");
    layers.push_back(With(std::move(norm), head.activation));
  }
  layers.push_back(MakeGlobalAvgPool("pool"));
  if (head.fixup) layers.push_back(MakeScalarAffine("bias2", /*weight=*/false, /*bias=*/true));
  v1::Layer logits = MakeDense("logits", head.classes);
  if (head.fixup) *logits.mutable_dense()->mutable_weight_init() = ZerosInitializer();
  layers.push_back(std::move(logits));
}

}  // namespace traind::core
