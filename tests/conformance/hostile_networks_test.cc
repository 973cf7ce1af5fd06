// The server plans in its own process whatever network it is sent, with shapes that no machine could run: each must be
// answered, with a description or with violations. Nothing may crash, throw, hang, or take memory for what is only
// counted.
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/job/resolve.h"
#include "gtest/gtest.h"
#include "tests/conformance/examples.h"
#include "tests/support/layer_run.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int64_t kMaxBound = int64_t{1} << 62;  // Of a MemoryBound.
#ifdef TRAIND_SANITIZED                          // Whose redzones are part of it.
constexpr int64_t kMostResident = int64_t{3} << 30;
#else
constexpr int64_t kMostResident = int64_t{1} << 30;
#endif

// The most memory that the program has had so far, in bytes.
int64_t PeakResident() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// Whether the network is accepted.
bool Describe(const v1::DescribeNetworkRequest& request) {
  FieldErrors::Root errors;
  const auto description = DescribeNetwork(request, errors.scope());
  EXPECT_TRUE(description.ok()) << description.status();
  if (!description.ok() || !errors.ok()) return false;
  for (const int64_t bytes : {description->training_memory_bytes(), description->inference_memory_bytes()}) {
    EXPECT_GT(bytes, 0);
    EXPECT_LE(bytes, kMaxBound);
  }
  return true;
}

std::string Repeat(int times, const std::string& text) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// So many layers like `layer`, in a row.
std::string Chain(int layers, const std::string& layer) {
  std::string all;
  for (int i = 0; i < layers; ++i) absl::StrAppend(&all, "layers { name: 'l", i, "' ", layer, " } ");
  return all;
}

// A block in a block ... around one layer.
std::string Nested(int depth) {
  return Repeat(depth, "layers { name: 'r' block { residual { ") + "layers { name: 'l' batch_norm {} } " +
         Repeat(depth, "} } } ");
}

TEST(HostileNetworks, AreAnswered) {
  const std::string networks[] = {
      "input_shape: 0 layers { name: 'a' dense { units: 1 } }",
      "input_shape: -1 layers { name: 'a' dense { units: 1 } }",
      "input_shape: 2147483647 layers { name: 'a' dense { units: 1 } }",
      "input_shape: 4294967296 layers { name: 'a' dense { units: 1 } }",
      "input_shape: 9223372036854775807 layers { name: 'a' dense { units: 1 } }",
      "input_shape: [4294967296, 4294967296, 4294967296] layers { name: 'a' batch_norm {} }",
      "input_shape: [-1, -1, 1] layers { name: 'a' batch_norm {} }",
      "input_shape: [16777216, 1, 1] layers { name: 'a' batch_norm {} activation { relu {} } }",
      "input_shape: [1, 16777216, 1] layers { name: 'a' max_pool { kernel: 2 } }",
      "input_shape: [1, 1, 16777216] layers { name: 'a' conv2d { out_channels: 1 kernel: [1, 1048576] } }",
      "input_shape: [1, 46340, 46340] layers { name: 'a' conv2d { out_channels: 1 kernel: 3 } }",
      "input_shape: 16777216 layers { name: 'a' dense { units: 65536 } }",
      "input_shape: 16777216 layers { name: 'a' dense { units: 16777216 } }",
      "input_shape: 1 layers { name: 'a' dense { units: 4294967295 } }",
      "input_shape: 1 layers { name: 'a' dense { units: 16777216 } activation { maxout { pieces: 4294967295 } } }",
      "input_shape: 1 layers { name: 'a' dense { units: 8388608 } activation { maxout { pieces: 2 } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 1000000 kernel: 3 } }",
      "input_shape: [1000000, 8, 8] layers { name: 'a' conv2d { out_channels: 1000000 kernel: 1 groups: 1000000 } }",
      "input_shape: [1000000, 4, 4] layers { name: 'a' conv2d { out_channels: 1000000 kernel: 1 } }",
      "input_shape: [6, 8, 8] layers { name: 'a' conv2d { out_channels: 6 kernel: 3 groups: 4 } }",
      "input_shape: [6, 8, 8] layers { name: 'a' conv2d { out_channels: 6 kernel: 3 groups: 0 } }",
      "input_shape: [6, 8, 8] layers { name: 'a' conv2d { out_channels: 6 kernel: 3 groups: 4294967295 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 9 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 0 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 4294967295 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 3 stride: 4294967295 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 3 stride: 1048576 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 3 dilation: 1048576 "
      "padding { mode: MODE_SAME } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 3 padding { amount: 1048576 } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 1 padding { amount: 15000 } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 3 stride: 1048576 "
      "padding { amount: 1048576 } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv2d { out_channels: 4 kernel: 1048576 padding { mode: MODE_SAME } "
      "} }",
      "input_shape: [3, 8, 8] layers { name: 'a' max_pool { kernel: 1048576 padding { mode: MODE_SAME } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' avg_pool { kernel: 1048576 stride: 1 padding { mode: MODE_SAME } } }",
      "input_shape: [1000000, 2, 2] layers { name: 'a' local_response_norm { size: 999999 } }",
      "input_shape: [1000000, 2, 2] layers { name: 'a' local_response_norm { size: 4294967295 } }",
      "input_shape: [1000000, 2, 2] layers { name: 'a' group_norm { groups: 1000000 } }",
      "input_shape: [1000000, 2, 2] layers { name: 'a' softmax {} }",
      "input_shape: [1, 30000, 30000] layers { name: 'a' fractional_max_pool { ratio: 1.0000001 } }",
      "input_shape: 16777216 layers { name: 'a' drop_connect { units: 60000 per_example: true } }",
      "input_shape: [1, 46340, 46340] layers { name: 's' to_sequence {} } layers { name: 'a' multi_head_attention { "
      "heads: 1 } }",
      "input_shape: [64, 180, 180] layers { name: 's' to_sequence {} } layers { name: 'a' multi_head_attention { "
      "heads: 2 } }",
      "input_shape: [1, 16777216, 1] layers { name: 's' to_sequence {} } layers { name: 'a' conv1d { out_channels: 1 "
      "kernel: 1048576 dilation: 16 } }",
      "input_shape: [1, 16777216, 1] layers { name: 's' to_sequence {} } layers { name: 'a' positional_embedding {} }",
      "input_shape: 16777216 layers { name: 'a' embedding { vocabulary: 16777216 features: 16777216 } }",
      "input_shape: 16777216 layers { name: 'a' embedding { vocabulary: 16777216 features: 100 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv_transpose2d { out_channels: 1 kernel: 1 stride: 1048576 } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv_transpose2d { out_channels: 1 kernel: 1048576 padding { amount: "
      "1048576 } } }",
      "input_shape: [3, 8, 8] layers { name: 'a' conv_transpose2d { out_channels: 4294967295 kernel: 3 } activation { "
      "maxout { pieces: 4294967295 } } }",
      "input_shape: [16777216, 1, 1] layers { name: 'a' depthwise_conv2d { multiplier: 16777216 kernel: 3 } }",
      "input_shape: [16777216, 1, 1] layers { name: 'a' block { squeeze_excitation { reduction: 1 } } }",
      "input_shape: [3, 4096, 4096] preset { vit_tiny { classes: 5 patch: 1 depth: 100 } }",
      "input_shape: [8, 1, 1] layers { name: 'a' block { dense_block { layers: 1000 growth: 4194304 } } }",
      "input_shape: [8, 1, 1] layers { name: 'a' block { dense_block { layers: 1000 growth: 1 bottleneck: true } } }",
      "input_shape: [8, 4, 4] layers { name: 'a' block { dense_block { layers: 4294967295 growth: 4294967295 } } }",
      "input_shape: [8, 4, 4] layers { name: 'a' block { residual { channels: 4194304 body: BODY_BOTTLENECK } } }",
      "input_shape: [8, 4, 4] layers { name: 'a' block { residual { channels: 8 stride: 1024 } } }",
      "input_shape: [3, 32, 32] preset { resnet { classes: 4294967295 depth: 4294967295 width: 4294967295 } }",
      "input_shape: [3, 32, 32] preset { wide_resnet { classes: 10 depth: 4294967290 widen: 4294967295 } }",
      "input_shape: [3, 32, 32] preset { densenet { classes: 10 depth: 4294967292 growth: 4294967295 } }",
      "input_shape: [3, 32, 32] preset { mlp { classes: 10 width: 4294967295 depth: 4294967295 } }",
      "input_shape: [1, 1, 1] preset { vgg16 { classes: 10 } }",
      "input_shape: 4 " + Nested(8),
      "input_shape: 4 " + Nested(9),
      "input_shape: 4 " + Nested(60),
      "input_shape: 4 layers { name: 'a' dense { units: 3 } " + Repeat(10'000, "regularizers { l2 { strength: 1 } } ") +
          "}",
      "input_shape: 4 layers { name: 'a' dense { units: 3 } } " + Repeat(10'000, "regularizers { l1 {} } "),
      "input_shape: 4 layers { name: 'r' " + Repeat(10'000, "regularizers { l2 { strength: 1 } } ") +
          "block { residual { " + Chain(9'000, "activation { relu {} }") + "} } }",
      "input_shape: 4 layers { name: 'a' dense { units: 3 } " + Repeat(10'000, "regularizers { l2 { strength: 1 } } ") +
          Repeat(1'000, "inputs: 'input' ") + "}",
      "input_shape: 4 layers { name: 'a' add {} " + Repeat(10'000, "inputs: 'input' ") + "}",
      "input_shape: 4 layers { name: 'a' concat {} " + Repeat(10'000, "inputs: 'input' ") + "}",
      "input_shape: [1, 2, 2] layers { name: 'a' add {} " + Repeat(10'000, "inputs: 'input' ") +
          "activation { relu {} } }",
      "input_shape: 1000000 " + Chain(20, "dense { units: 1000000 }"),
      "input_shape: 16777216 " + Chain(10'000, "batch_norm {}"),
      "input_shape: 4 " + Chain(10'001, "activation { relu {} }"),
  };
  const int64_t before = PeakResident();
  for (const std::string& network : networks) {
    SCOPED_TRACE(network.substr(0, 200));
    for (const char* more :
         {"", "batch_size: 1", "batch_size: 65536 optimizer { adam {} }", "batch_size: 0", "batch_size: 4294967295"}) {
      Describe(FromText<v1::DescribeNetworkRequest>(absl::StrCat("network { ", network, " } ", more)));
    }
    ASSERT_LT(PeakResident() - before, kMostResident);
  }
}

// Random networks over all kinds that are registered. Most values are small, so that many networks are accepted.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint32_t seed) : random_(seed) {}

  v1::DescribeNetworkRequest Request() {
    v1::DescribeNetworkRequest request;
    v1::Network& network = *request.mutable_network();
    AddInputShape(network);
    if (Chance(0.1)) {
      AddKind("preset", *network.mutable_preset());
      if (ReadsTokens(KindName(network.preset())) && Chance(0.9)) {
        network.clear_input_shape();
        network.add_input_shape(1 + Below(40));
      }
    } else {
      for (int i = 0, layers = 1 + Below(6); i < layers; ++i) AddLayer(network);
    }
    if (Chance(0.2)) Fill(*network.add_regularizers(), 0);
    if (Chance(0.7)) request.set_batch_size(Chance(0.9) ? 1 + Below(40) : Number());
    if (Chance(0.2)) Fill(*request.mutable_optimizer(), 0);
    if (Chance(0.3)) request.set_precision(Precisions().back());
    request.set_convolution_algorithm(static_cast<v1::ConvolutionAlgorithm>(Below(4)));
    return request;
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  bool Chance(double share) { return random_() < share * 0x1p32; }
  template <class T, size_t kCount>
  T OneOf(const std::array<T, kCount>& values) {
    return values[Below(kCount)];
  }

  uint32_t Number() {
    constexpr std::array<uint32_t, 16> kHostile = {
        0,     15,        16,       17,       255,      1000,           4096,     65535,
        65536, 1'000'000, 1u << 20, 1u << 24, 1u << 30, (1u << 31) - 1, 1u << 31, UINT32_MAX};
    return Chance(0.8) ? 1 + Below(8) : OneOf(kHostile);
  }
  double Real() {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    constexpr std::array<double, 10> kHostile = {0, -1, 1e-320, 1e-46, 1e39, 1e308, kInfinity, -kInfinity, NAN, 65536};
    constexpr std::array<double, 5> kUsual = {0.1, 0.5, 0.9, 1, 1.5};
    return Chance(0.7) ? OneOf(kUsual) : OneOf(kHostile);
  }
  std::string Text() {
    const std::array<std::string, 5> texts = {"", "input", "l0", "type.googleapis.com/nobody.Knows",
                                              std::string(1000, 'x')};
    return OneOf(texts);
  }
  int Enum(const FieldDescriptor& field) {
    const int values = field.enum_type()->value_count();
    return Chance(0.9) ? field.enum_type()->value(Below(values))->number() : Below(2 * values) - values;
  }

  void AddInputShape(v1::Network& network) {
    const bool image = Chance(0.7);
    const bool hostile = Chance(0.2);
    for (int i = 0; i < (image ? 3 : 1); ++i) network.add_input_shape(hostile ? Number() : 1 + Below(i == 0 ? 8 : 40));
    if (Chance(0.02)) network.set_input_shape(0, -1);
  }

  void AddLayer(v1::Network& network) {
    const int index = network.layers_size();
    v1::Layer& layer = *network.add_layers();
    layer.set_name(absl::StrCat("l", index));
    const int what = Below(10);
    if (what < 2) AddKind("block", *layer.mutable_block());
    if (what >= 2 && what < 8) AddKind("layer", layer);
    if (what >= 6) AddKind("activation", *layer.mutable_activation());
    // Most of those that need a sequence get one.
    const std::string kind = layer.has_block() ? KindName(layer.block()) : KindName(layer);
    if (ReadsSequence(kind) && Chance(0.9)) {
      v1::Layer reader = layer;
      layer.clear_kind();
      layer.clear_block();
      layer.clear_activation();
      layer.mutable_to_sequence();
      reader.set_name(absl::StrCat("l", index + 1));
      *network.add_layers() = std::move(reader);
      return;
    }
    if (ReadsTokens(kind) && index > 0 && Chance(0.9)) {
      layer.clear_kind();
      layer.mutable_flatten();
    }
    if (Chance(0.1)) Fill(*layer.add_regularizers(), 0);
    layer.set_unregularized(Chance(0.05));
    const bool joins = layer.has_add() || layer.has_concat() || layer.has_multiply();
    for (int i = 0; i < (joins ? 2 + Below(2) : 0); ++i) {
      layer.add_inputs(index == 0 || Chance(0.3) ? "input" : absl::StrCat("l", Below(index)));
    }
    if (layer.has_multiply() && Chance(0.5)) {
      layer.mutable_inputs()->DeleteSubrange(1, layer.inputs_size() - 1);
      layer.add_inputs(layer.inputs(0));
    }
    if (Chance(0.02)) layer.add_inputs(Text());
  }

  // One of the kinds, with what it requires, and perhaps something else.
  void AddKind(const std::string& category, Message& holder) {
    const auto* kinds = holder.GetDescriptor()->FindOneofByName("kind");
    const FieldDescriptor* field = kinds->field(Below(kinds->field_count()));
    Message& config = *holder.GetReflection()->MutableMessage(&holder, field);
    if (!IsExtension(*field)) {
      const std::string example = Example(absl::StrCat(category, "/", field->name()));
      EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(example, &config));
    }
    if (Chance(0.6)) Fill(config, 0);
  }

  // Sets some of the fields, those of messages inside, too.
  void Fill(Message& message, int depth) {
    const auto* kinds = message.GetDescriptor()->FindOneofByName("kind");
    const FieldDescriptor* kind = kinds == nullptr ? nullptr : kinds->field(Below(kinds->field_count()));
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      const bool of_kind = field->real_containing_oneof() != nullptr;
      if (of_kind ? field == kind && Chance(0.95) : Chance(depth == 0 ? 0.3 : 0.15)) Set(message, *field, depth);
    }
  }

  void Set(Message& message, const FieldDescriptor& field, int depth) {
    const auto& reflection = *message.GetReflection();
    if (field.is_repeated()) {
      reflection.ClearField(&message, &field);
      for (int i = 0, n = 1 + Below(Chance(0.9) ? 2 : 6); i < n; ++i) SetOne(message, field, depth);
    } else {
      SetOne(message, field, depth);
    }
  }

  // The field, or one more of them.
  void SetOne(Message& message, const FieldDescriptor& field, int depth) {
    const auto& reflection = *message.GetReflection();
    const bool more = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth == 6) return;
        return Fill(*(more ? reflection.AddMessage(&message, &field) : reflection.MutableMessage(&message, &field)),
                    depth + 1);
      case FieldDescriptor::CPPTYPE_UINT32:
        return more ? reflection.AddUInt32(&message, &field, Number())
                    : reflection.SetUInt32(&message, &field, Number());
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return more ? reflection.AddDouble(&message, &field, Real()) : reflection.SetDouble(&message, &field, Real());
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection.SetBool(&message, &field, Chance(0.5));
      case FieldDescriptor::CPPTYPE_ENUM:
        return more ? reflection.AddEnumValue(&message, &field, Enum(field))
                    : reflection.SetEnumValue(&message, &field, Enum(field));
      case FieldDescriptor::CPPTYPE_STRING:
        return more ? reflection.AddString(&message, &field, Text()) : reflection.SetString(&message, &field, Text());
      case FieldDescriptor::CPPTYPE_UINT64:
        return more ? reflection.AddUInt64(&message, &field, Number())
                    : reflection.SetUInt64(&message, &field, Number());
      default:
        FAIL() << field.full_name() << " is of a type that this test does not know";
    }
  }

  std::mt19937 random_;
};

TEST(HostileNetworks, RandomOnesAreAnswered) {
  constexpr int kNetworks = 4000;
  const int64_t before = PeakResident();
  int accepted = 0;
  for (int i = 0; i < kNetworks; ++i) {
    SCOPED_TRACE(absl::StrCat("network ", i));  // By its seed.
    accepted += Describe(RandomNetwork(i).Request()) ? 1 : 0;
    ASSERT_LT(PeakResident() - before, kMostResident);
  }
  EXPECT_GT(accepted, kNetworks / 5) << "too few of them are planned";
}

}  // namespace
}  // namespace traind::core
