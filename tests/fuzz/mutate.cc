#include "tests/fuzz/mutate.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>

namespace traind::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

size_t Below(size_t end, std::mt19937_64& random) { return end == 0 ? 0 : random() % end; }

// 1 to `most`, small ones more often.
size_t Some(size_t most, std::mt19937_64& random) {
  const double power = std::uniform_real_distribution<double>(0, std::log2(static_cast<double>(most) + 1))(random);
  return std::max<size_t>(1, static_cast<size_t>(std::exp2(power)));
}

uint64_t Interesting(std::mt19937_64& random) {
  constexpr uint64_t kValues[] = {
      0, 1, 2, 3, 16, 255, 256, 65535, 65536, (1ull << 31) - 1, 1ull << 31, 1ull << 32, 1ull << 40, 1ull << 62, ~0ull};
  return random() % 4 == 0 ? random() : kValues[Below(std::size(kValues), random)];
}

double InterestingReal(std::mt19937_64& random) {
  constexpr double kValues[] = {
      0, 1, -1, 0.5, 1e-300, 1e300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
  return kValues[Below(std::size(kValues), random)];
}

std::string InterestingText(std::mt19937_64& random) {
  const char* const kTexts[] = {"", "a", "images", "train", "../x", "jobs/a", "relu", "layer1"};
  const std::string text = kTexts[Below(std::size(kTexts), random)];
  std::string repeated;
  for (size_t n = random() % 16 == 0 ? Some(10'000, random) : 1; n > 0; --n) repeated += text;
  return repeated;
}

void SetValue(Message& message, const FieldDescriptor* field, std::mt19937_64& random) {
  const Reflection& reflection = *message.GetReflection();
  const bool add = field->is_repeated();
  switch (field->cpp_type()) {
#define TRAIND_SET(Kind, value) \
  add ? reflection.Add##Kind(&message, field, value) : reflection.Set##Kind(&message, field, value)
    case FieldDescriptor::CPPTYPE_INT32:
      return TRAIND_SET(Int32, static_cast<int32_t>(Interesting(random)));
    case FieldDescriptor::CPPTYPE_INT64:
      return TRAIND_SET(Int64, static_cast<int64_t>(Interesting(random)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return TRAIND_SET(UInt32, static_cast<uint32_t>(Interesting(random)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return TRAIND_SET(UInt64, Interesting(random));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return TRAIND_SET(Double, InterestingReal(random));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return TRAIND_SET(Float, static_cast<float>(InterestingReal(random)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return TRAIND_SET(Bool, random() % 2 == 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return TRAIND_SET(EnumValue, static_cast<int>(Below(10, random)));
    case FieldDescriptor::CPPTYPE_STRING:
      return TRAIND_SET(String, InterestingText(random));
#undef TRAIND_SET
    case FieldDescriptor::CPPTYPE_MESSAGE:
      add ? reflection.AddMessage(&message, field) : reflection.MutableMessage(&message, field);
  }
}

// One more of the repeated field, or very many.
void Repeat(Message& message, const FieldDescriptor* field, std::mt19937_64& random) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, field);
  size_t times = Some(20'000, random);
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || size == 0) {
    for (times = std::min<size_t>(times, 5000); times > 0; --times) SetValue(message, field, random);
    return;
  }
  const std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  const Message& item = reflection.GetRepeatedMessage(*copy, field, static_cast<int>(Below(size, random)));
  times = std::min(times, kLargestInput / (item.ByteSizeLong() + 1));
  for (; times > 0; --times) reflection.AddMessage(&message, field)->CopyFrom(item);
}

Message* Within(Message& message, const FieldDescriptor* field, std::mt19937_64& random) {
  const Reflection& reflection = *message.GetReflection();
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) return nullptr;
  if (!field->is_repeated()) return reflection.MutableMessage(&message, field);
  const int size = reflection.FieldSize(message, field);
  return size == 0 ? nullptr
                   : reflection.MutableRepeatedMessage(&message, field, static_cast<int>(Below(size, random)));
}

void MutateField(Message& message, std::mt19937_64& random) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> there;
  reflection.ListFields(message, &there);
  // Mostly deeper into what is there.
  if (!there.empty() && random() % 4 != 0) {
    if (Message* within = Within(message, there[Below(there.size(), random)], random); within != nullptr) {
      return MutateField(*within, random);
    }
  }
  const auto& type = *message.GetDescriptor();
  if (type.field_count() == 0) return;
  const FieldDescriptor* field = type.field(static_cast<int>(Below(type.field_count(), random)));
  if (!there.empty() && random() % 2 == 0) field = there[Below(there.size(), random)];
  if (random() % 8 == 0) return reflection.ClearField(&message, field);
  if (field->is_map()) return;
  if (field->is_repeated() && random() % 2 == 0) return Repeat(message, field, random);
  SetValue(message, field, random);
}

}  // namespace

void MutateMessage(Message& message, std::mt19937_64& random) {
  for (size_t n = Some(8, random); n > 0; --n) {
    MutateField(message, random);
    if (message.ByteSizeLong() > kLargestInput) return;
  }
}

std::string MutateBytes(const std::vector<std::string>& corpus, std::mt19937_64& random) {
  std::string bytes = corpus.empty() ? "" : corpus[Below(corpus.size(), random)];
  for (size_t n = Some(16, random); n > 0; --n) {
    const size_t at = Below(bytes.size(), random);
    const size_t length = std::min(Some(64, random), bytes.size() - at);
    switch (random() % 7) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 2: {  // A number, in either order of bytes.
        const uint64_t value = Interesting(random);
        const size_t width = size_t{1} << random() % 4;
        for (size_t i = 0; i < width && at + i < bytes.size(); ++i) bytes[at + i] = static_cast<char>(value >> 8 * i);
        break;
      }
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5: {
        const std::string piece = bytes.substr(at, length);
        std::string repeated;
        for (size_t times = Some(10'000, random); times > 0 && repeated.size() < kLargestInput; --times) {
          repeated += piece;
          if (piece.empty()) break;
        }
        bytes.insert(at, repeated);
        break;
      }
      default: {
        const std::string& other = corpus[Below(corpus.size(), random)];
        const size_t from = Below(other.size(), random);
        bytes.insert(at, other.substr(from, Some(256, random)));
      }
    }
  }
  if (bytes.size() > kLargestInput) bytes.resize(kLargestInput);
  return bytes;
}

}  // namespace traind::fuzz
