// Walks the descriptors: each branch of a `oneof kind` has a factory, and each factory a branch.
#include "core/base/registry.h"

#include <set>
#include <string>

#include "core/base/kind.h"
#include "core/data_initialization/data_initializer.h"
#include "core/kinds/activation.h"
#include "core/kinds/augmentation.h"
#include "core/kinds/block.h"
#include "core/kinds/initializer.h"
#include "core/kinds/layer.h"
#include "core/kinds/loss.h"
#include "core/kinds/optimizer.h"
#include "core/kinds/preset.h"
#include "core/kinds/regularizer.h"
#include "core/kinds/transform.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

using Names = std::set<std::string>;

template <class Holder>
Names Branches() {
  Names names;
  const auto* kinds = Holder::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    if (!IsExtension(*kinds->field(i))) names.insert(kinds->field(i)->message_type()->full_name());
  }
  return names;
}

template <class Interface>
Names Factories() {
  Names names;
  for (const auto& [name, entry] : Registry<Interface>::Get().entries()) {
    names.insert(name);
    EXPECT_FALSE(entry.summary.empty()) << name;
    EXPECT_EQ(entry.summary.find('\n'), std::string::npos) << name << ": one sentence";
  }
  return names;
}

TEST(RegistryTest, EveryBranchHasAFactoryAndEveryFactoryABranch) {
  EXPECT_EQ(Factories<Activation>(), Branches<v1::Activation>());
  EXPECT_EQ(Factories<Initializer>(), Branches<v1::Initializer>());
  EXPECT_EQ(Factories<Regularizer>(), Branches<v1::Regularizer>());
  EXPECT_EQ(Factories<Loss>(), Branches<v1::Loss>());
  EXPECT_EQ(Factories<Optimizer>(), Branches<v1::Optimizer>());
  EXPECT_EQ(Factories<Schedule>(), Branches<v1::Schedule>());
  EXPECT_EQ(Factories<Layer>(), Branches<v1::Layer>());
  EXPECT_EQ(Factories<Transform>(), Branches<v1::Preprocessing>());
  EXPECT_EQ(Factories<Augmentation>(), Branches<v1::Augmentation>());
  EXPECT_EQ(Factories<Block>(), Branches<v1::Block>());
  EXPECT_EQ(Factories<Preset>(), Branches<v1::Preset>());
  EXPECT_EQ(Factories<DataInitializer>(), Branches<v1::DataInitialization>());
}

TEST(RegistryTest, AnEmptyHolderListsTheKnownKinds) {
  v1::Loss config;
  FieldErrors::Root errors;
  EXPECT_EQ(Registry<Loss>::Get().Create(config, errors.scope("loss")), nullptr);
  ASSERT_EQ(errors.violations().field_violations_size(), 1);
  EXPECT_EQ(errors.violations().field_violations(0).field(), "loss");
  EXPECT_EQ(errors.violations().field_violations(0).description(),
            "must be one of: softmax_cross_entropy, mean_squared_error, multiclass_hinge, binary_cross_entropy, focal, "
            "mean_absolute_error, huber, poisson_nll");
}

}  // namespace
}  // namespace traind::core
