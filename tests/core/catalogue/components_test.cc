#include "core/catalogue/components.h"

#include <map>
#include <string>
#include <vector>

#include "core/base/kind.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "traind/v1/job.pb.h"

namespace traind::core {
namespace {

using google::protobuf::Descriptor;

TEST(ListComponents, NamesEveryBranchOfEveryOneof) {
  const std::map<std::string, const Descriptor*> holders = {
      {"layer", v1::Layer::descriptor()},
      {"block", v1::Block::descriptor()},
      {"preset", v1::Preset::descriptor()},
      {"activation", v1::Activation::descriptor()},
      {"initializer", v1::Initializer::descriptor()},
      {"regularizer", v1::Regularizer::descriptor()},
      {"loss", v1::Loss::descriptor()},
      {"optimizer", v1::Optimizer::descriptor()},
      {"schedule", v1::Schedule::descriptor()},
      {"preprocessing", v1::Preprocessing::descriptor()},
      {"augmentation", v1::Augmentation::descriptor()},
      {"data_initialization", v1::DataInitialization::descriptor()},
      {"rule", v1::Rule::descriptor()}};
  std::map<std::string, std::vector<std::string>> expected, listed;
  for (const auto& [category, holder] : holders) {
    const auto* kinds = holder->FindOneofByName("kind");
    for (int i = 0; i < kinds->field_count(); ++i) {
      if (!IsExtension(*kinds->field(i))) expected[category].push_back(kinds->field(i)->name());
    }
  }
  const v1::ListComponentsResponse response = ListComponents();
  for (const auto& component : response.components()) {
    EXPECT_FALSE(component.summary().empty()) << component.name();
    if (component.category() != "part of a job") listed[component.category()].push_back(component.name());
  }
  EXPECT_EQ(listed, expected);
}

// Every message below JobSpec, by its full name, with its fields.
void Collect(const Descriptor& message, std::map<std::string, std::vector<std::string>>& found) {
  if (message.file()->package() != "traind.v1" || found.count(message.full_name()) > 0) return;
  std::vector<std::string>& fields = found[message.full_name()];
  if (message.options().map_entry()) {
    found.erase(message.full_name());
    return;
  }
  for (int i = 0; i < message.field_count(); ++i) fields.push_back(message.field(i)->name());
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->message_type() != nullptr) Collect(*message.field(i)->message_type(), found);
  }
}

TEST(ListComponents, HasEveryFieldOfAJobFile) {
  std::map<std::string, std::vector<std::string>> expected, listed;
  Collect(*v1::JobSpec::descriptor(), expected);
  EXPECT_GT(expected.size(), 100u);
  const v1::ListComponentsResponse response = ListComponents();
  for (const auto& component : response.components()) {
    EXPECT_EQ(listed.count(component.message()), 0u) << component.message() << " twice";
    for (const auto& field : component.fields()) listed[component.message()].push_back(field.name());
    listed[component.message()];
  }
  for (const auto& [message, fields] : expected) {
    ASSERT_EQ(listed.count(message), 1u) << message;
    EXPECT_EQ(listed[message], fields) << message;
  }
}

TEST(ListComponents, CallsPartsAsAJobFileDoes) {
  std::map<std::string, std::string> parts;
  const v1::ListComponentsResponse response = ListComponents();
  for (const auto& component : response.components()) {
    if (component.category() == "part of a job") parts[component.name()] = component.message();
  }
  for (const char* name : {"job", "data", "evaluation", "statistics", "checkpoint", "padding", "test_time", "optimizer",
                           "early_stopping", "initial_weights", "lottery_ticket", "layer", "network"}) {
    EXPECT_EQ(parts.count(name), 1u) << name;
  }
  EXPECT_EQ(parts["data"], "traind.v1.DataSpec");
}

TEST(ListComponents, TakesTypesAndCommentsFromTheProtoFiles) {
  const v1::ListComponentsResponse response = ListComponents();
  std::map<std::string, v1::Component> by_name;
  for (const auto& component : response.components())
    by_name[component.category() + "/" + component.name()] = component;
  const v1::Component& conv = by_name["layer/conv2d"];
  EXPECT_EQ(conv.message(), "traind.v1.Conv2d");
  EXPECT_EQ(conv.fields(1).name(), "kernel");
  EXPECT_EQ(conv.fields(1).type(), "repeated uint32");
  EXPECT_EQ(conv.fields(1).summary(), "Required: one value for a square, or height and width.");
  EXPECT_EQ(conv.fields(7).type(), "Initializer");
  const v1::Component& leaky = by_name["activation/leaky_relu"];
  EXPECT_EQ(leaky.fields(0).type(), "double");
  EXPECT_EQ(leaky.fields(0).summary(), "a, in [0, 1). Default 0.1.");
  EXPECT_THAT(by_name["initializer/xavier"].fields(0).summary(),
              testing::HasSubstr("; AVERAGE ((fan_in + fan_out) / 2"));
  ASSERT_EQ(by_name["augmentation/horizontal_flip"].beside_size(), 1);
  EXPECT_EQ(by_name["augmentation/horizontal_flip"].beside(0).name(), "probability");
  EXPECT_THAT(by_name["augmentation/horizontal_flip"].beside(0).summary(),
              testing::HasSubstr("for the flips and random_erasing 0.5"));
  EXPECT_EQ(by_name["regularizer/l2"].beside(0).name(), "groups");
  EXPECT_EQ(by_name["layer/dense"].beside_size(), 0);
  EXPECT_EQ(by_name["part of a job/lottery_ticket"].message(), "traind.v1.LotteryTicket");
  EXPECT_EQ(by_name["part of a job/lottery_ticket"].fields(1).name(), "prune_rate");
}

}  // namespace
}  // namespace traind::core
