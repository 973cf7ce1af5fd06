// Chains that read the same input, joined along the channels (GoogLeNet's inception: Szegedy et al. 2015).
#include <memory>
#include <string>
#include <vector>

#include "core/kinds/block.h"
#include "core/kinds/make_layers.h"

namespace traind::core {
namespace {

class BranchesBlock final : public Block {
 public:
  explicit BranchesBlock(const v1::Branches& config) : config_(config) {}

  void Expand(BlockBuilder& builder, const FieldErrors& errors) const override {
    std::vector<std::string> ends;
    for (int i = 0; i < config_.branches_size(); ++i) {
      const auto& layers = config_.branches(i).layers();
      ends.push_back(layers.empty() ? std::string(BlockBuilder::kInput)
                                    : builder.AddWritten(layers, errors.At("branches", i)));
    }
    builder.AddLast(MakeConcat("joined", ends));
  }

  std::vector<const LayerList*> written() const override {
    std::vector<const LayerList*> lists;
    for (const v1::Branch& branch : config_.branches()) lists.push_back(&branch.layers());
    return lists;
  }

 private:
  const v1::Branches config_;
};

const Registered<Block, v1::Branches> kBranches(
    "Chains that read the same input, joined along the channels (GoogLeNet's inception, slide 82).",
    [](v1::Branches& config, const FieldErrors& errors) -> std::unique_ptr<Block> {
      if (config.branches_size() >= 2) return std::make_unique<BranchesBlock>(config);
      errors.At("branches").Add("must be at least two");
      return nullptr;
    });

}  // namespace
}  // namespace traind::core
