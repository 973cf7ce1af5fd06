// Gradients of every registered activation, with every value of its options, through real plans: float32 against
// finite differences of the plan's own loss, bfloat16 against float32. A new activation takes part by itself.
#include <omp.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/kind.h"
#include "core/kinds/activation.h"
#include "core/onednn/onednn.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

constexpr int64_t kBatch = 5;
constexpr int64_t kClasses = 3;

// Each branch with its defaults, and once more for each value of an enum and for each bool, as text.
std::vector<std::string> AllActivations() {
  std::vector<std::string> all;
  const auto* kinds = v1::Activation::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    if (IsExtension(*kinds->field(i))) continue;
    v1::Activation plain;
    google::protobuf::Message& config = *plain.GetReflection()->MutableMessage(&plain, kinds->field(i));
    all.push_back(plain.ShortDebugString());
    for (int k = 0; k < config.GetDescriptor()->field_count(); ++k) {
      const auto* field = config.GetDescriptor()->field(k);
      if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_BOOL) {
        config.GetReflection()->SetBool(&config, field, true);
        all.push_back(plain.ShortDebugString());
      } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_ENUM) {
        for (int value = 1; value < field->enum_type()->value_count(); ++value) {
          config.GetReflection()->SetEnumValue(&config, field, field->enum_type()->value(value)->number());
          all.push_back(plain.ShortDebugString());
        }
      }
      config.Clear();
    }
  }
  return all;
}

// A place for the activation: `%` stands for it. Together they see flat values, plain images, and images whose
// channels fill the kernels' blocks and do not; fused and on its own; with and without a trained layer before it.
struct Place {
  const char* name;
  Shape input;
  const char* layers;
};
const Place kPlaces[] = {
    {"dense", {5}, R"(layers { name: "a" dense { units: 6 } activation { % } })"},
    {"conv2d_padded_blocks",
     {2, 4, 4},
     R"(layers { name: "a" conv2d { out_channels: 10 kernel: 3 } activation { % } })"},
    {"conv2d_whole_blocks",
     {2, 4, 4},
     R"(layers { name: "a" conv2d { out_channels: 16 kernel: 3 } activation { % } })"},
    {"alone_after_conv2d",
     {2, 4, 4},
     R"(layers { name: "c" conv2d { out_channels: 12 kernel: 3 } } layers { name: "a" activation { % } })"},
    {"alone_after_flatten",
     {2, 4, 4},
     R"(layers { name: "c" conv2d { out_channels: 12 kernel: 3 } } layers { name: "f" flatten {} }
        layers { name: "a" activation { % } })"},
    {"alone_on_the_input", {4, 3, 3}, R"(layers { name: "a" activation { % } })"},
};

v1::Network NetworkOf(const Place& place, const std::string& activation) {
  auto network = FromText<v1::Network>(absl::StrCat(absl::StrReplaceAll(place.layers, {{"%", activation}}),
                                                    " layers { name: \"out\" dense { units: ", kClasses, " } }"));
  for (const int64_t d : place.input) network.add_input_shape(d);
  return network;
}

// A place's network with examples and labels.
struct Trial : PlannedNetwork {
  std::vector<float> examples;
  std::vector<int32_t> labels;

  Trial(const Place& place, const std::string& activation, v1::Precision precision, bool training = true)
      : PlannedNetwork(NetworkOf(place, activation), {.batch = kBatch, .training = training, .precision = precision},
                       "softmax_cross_entropy {}", {.trainable = training, .seed = 3}) {
    if (plan == nullptr) return;
    store->UpdateCopies();
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < kBatch * Elements(place.input); ++i) examples.push_back(normal(random));
    for (int64_t i = 0; i < kBatch; ++i) labels.push_back(static_cast<int32_t>(i % kClasses));
  }

  // The mean loss; also leaves the gradients in the store.
  double Step() {
    const absl::Status refreshed = plan->RefreshParameters();
    const absl::Status status =
        plan->Run({.examples = examples.data(), .targets = {.labels = labels.data()}, .count = kBatch});
    EXPECT_TRUE(refreshed.ok() && status.ok()) << refreshed << status;
    return plan->loss_sum() / kBatch;
  }
};

class ActivationGradientTest : public ::testing::TestWithParam<std::string> {};

// How the loss depends on one parameter.
struct Difference {
  double slope;  // (loss(w + h) - loss(w - h)) / 2 h
  double bend;   // |slope right of w - slope left of w|, over one step.
};

float Largest(const std::vector<float>& values) {
  float largest = 0;
  for (float v : values) largest = std::max(largest, std::abs(v));
  return largest;
}

TEST_P(ActivationGradientTest, AgreesWithFiniteDifferences) {
  omp_set_num_threads(1);  // Thousands of tiny steps: waking threads would take most of the time.
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(place.name);
    Trial trial(place, GetParam(), v1::PRECISION_F32);
    ASSERT_NE(trial.plan, nullptr);
    const double middle = trial.Step();
    std::vector<std::vector<float>> gradients;
    for (const auto& p : trial.store->parameters()) gradients.push_back(trial.Values(p, p.gradient));

    int checked = 0, kinks = 0;
    for (size_t k = 0; k < gradients.size(); ++k) {
      StoredParameter& parameter = trial.store->parameters()[k];
      std::vector<float> values = trial.Values(parameter, parameter.master);
      EXPECT_GT(Largest(gradients[k]), 0) << parameter.name;
      const double tolerance = 3e-3 * Largest(gradients[k]) + 5e-5;
      const auto loss_at = [&](size_t i, float value) {
        values[i] = value;
        trial.store->Set(parameter, parameter.master, values);
        return trial.Step();
      };
      const auto difference = [&](size_t i, float step) {
        const float at = values[i], high = at + step, low = at - step;
        const double up = loss_at(i, high), down = loss_at(i, low);
        values[i] = at;
        trial.store->Set(parameter, parameter.master, values);
        const double width = static_cast<double>(high) - static_cast<double>(low);
        return Difference{.slope = (up - down) / width, .bend = std::abs(up - 2 * middle + down) / (width / 2)};
      };
      const size_t stride = std::max<size_t>(1, values.size() / 10);
      for (size_t i = 0; i < values.size(); i += stride) {
        const Difference wide = difference(i, 1e-2f), narrow = difference(i, 4e-3f);
        ++checked;
        // A kink between the points, which two steps see differently, or in the middle, whose bend does not get less
        // with the step.
        if (std::abs(wide.slope - narrow.slope) > tolerance / 2 ||
            narrow.bend > std::max(tolerance / 2, 0.6 * wide.bend)) {
          ++kinks;
          continue;
        }
        EXPECT_NEAR(gradients[k][i], narrow.slope, tolerance) << parameter.name << "[" << i << "]";
      }
    }
    EXPECT_LT(kinks * 5, checked);
  }
}

TEST_P(ActivationGradientTest, InferenceComputesTheSame) {
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(place.name);
    Trial training(place, GetParam(), v1::PRECISION_F32), inference(place, GetParam(), v1::PRECISION_F32, false);
    ASSERT_NE(training.plan, nullptr);
    ASSERT_NE(inference.plan, nullptr);
    EXPECT_NEAR(training.Step(), inference.Step(), 1e-5);
    for (int64_t i = 0; i < kBatch * kClasses; ++i) {
      EXPECT_NEAR(training.plan->output()[i], inference.plan->output()[i], 1e-5) << i;
    }
  }
}

TEST_P(ActivationGradientTest, Bfloat16IsCloseToFloat32) {
  if (!onednn::SupportsBf16()) GTEST_SKIP() << "this CPU has no bfloat16";
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(place.name);
    Trial exact(place, GetParam(), v1::PRECISION_F32), rounded(place, GetParam(), v1::PRECISION_BF16);
    ASSERT_NE(exact.plan, nullptr);
    ASSERT_NE(rounded.plan, nullptr);
    EXPECT_NEAR(exact.Step(), rounded.Step(), 0.03);
    // Rounding may change which piece of a maxout wins, and with it where the gradient goes.
    const bool routes = std::any_of(exact.graph->nodes().begin(), exact.graph->nodes().end(),
                                    [](const Node& node) { return node.activation && node.activation->pieces() > 1; });
    const double share = routes ? 0.3 : 0.05;
    for (size_t k = 0; k < exact.store->parameters().size(); ++k) {
      const StoredParameter& parameter = exact.store->parameters()[k];
      const auto a = exact.Values(parameter, parameter.gradient);
      const auto b = rounded.Values(rounded.store->parameters()[k], rounded.store->parameters()[k].gradient);
      double difference = 0, size = 0;
      size_t worst = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
        size += std::pow(static_cast<double>(a[i]), 2);
        if (std::abs(a[i] - b[i]) > std::abs(a[worst] - b[worst])) worst = i;
      }
      EXPECT_LE(std::sqrt(difference), share * std::sqrt(size) + 1e-3)
          << parameter.name << "[" << worst << "]: " << a[worst] << " and " << b[worst];
    }
  }
}

std::string TestName(const ::testing::TestParamInfo<std::string>& parameter) {
  std::string name;
  for (char c : parameter.param) {
    if (std::isalnum(static_cast<unsigned char>(c))) name += c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, ActivationGradientTest, ::testing::ValuesIn(AllActivations()), TestName);

}  // namespace
}  // namespace traind::core
