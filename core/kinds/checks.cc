#include "core/kinds/checks.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

constexpr absl::string_view kMakesSequences = "; to_sequence makes one of images and features, embedding of token ids";

}  // namespace

const Shape* SingleInput(absl::Span<const Shape> inputs, const FieldErrors& errors) {
  if (inputs.size() == 1) return &inputs[0];
  errors.Add(absl::StrCat("reads one layer, not ", inputs.size()));
  return nullptr;
}

const Shape* SingleImage(absl::Span<const Shape> inputs, const FieldErrors& errors) {
  const Shape* input = SingleInput(inputs, errors);
  if (input == nullptr || input->size() == 3) return input;
  errors.Add(absl::StrCat("needs an input of [channels, height, width], not ", ToString(*input)));
  return nullptr;
}

const Shape* SingleSequence(absl::Span<const Shape> inputs, const FieldErrors& errors) {
  const Shape* input = SingleInput(inputs, errors);
  if (input == nullptr || input->size() == 2) return input;
  errors.Add(absl::StrCat("needs a sequence, [features, length], not ", ToString(*input), kMakesSequences));
  return nullptr;
}

const Shape* SinglePositions(absl::Span<const Shape> inputs, const FieldErrors& errors) {
  const Shape* input = SingleInput(inputs, errors);
  if (input == nullptr || input->size() >= 2) return input;
  errors.Add(absl::StrCat("needs positions, [features, length] or [channels, height, width], not ", ToString(*input),
                          kMakesSequences));
  return nullptr;
}

bool SeveralInputs(absl::Span<const Shape> inputs, const FieldErrors& errors) {
  if (inputs.size() >= 2) return true;
  errors.Add("needs at least two inputs");
  return false;
}

void ResolveInitializer(v1::Initializer* initializer, const v1::Initializer& fallback, const FieldErrors& errors) {
  if (initializer->kind_case() == v1::Initializer::KIND_NOT_SET) *initializer = fallback;
  Registry<Initializer>::Get().Create(*initializer, errors);
}

v1::Initializer ZerosInitializer() {
  v1::Initializer initializer;
  initializer.mutable_zeros();
  return initializer;
}

v1::Initializer KaimingInitializer() {
  v1::Initializer initializer;
  initializer.mutable_kaiming();
  return initializer;
}

v1::Initializer ConstantInitializer(double value) {
  v1::Initializer initializer;
  initializer.mutable_constant()->set_value(value);
  return initializer;
}

void CheckChannels(int64_t channels, const FieldErrors& errors) {
  if (channels < 1 || channels > kMaxChannels) {
    errors.Add(absl::StrCat("must be 1 to ", kMaxChannels, ", not ", channels));
  }
}

void CheckCount(uint64_t count, uint64_t low, uint64_t high, const FieldErrors& errors) {
  if (count < low || count > high) errors.Add(absl::StrCat("must be ", low, " to ", high, ", not ", count));
}

void CheckMultiple(uint64_t count, uint64_t unit, uint64_t high, const FieldErrors& errors) {
  if (count < unit || count > high || count % unit != 0) {
    errors.Add(absl::StrCat("must be a multiple of ", unit, ", at most ", high - high % unit, ", not ", count));
  }
}

void CheckRate(double rate, const FieldErrors& errors) {
  if (!(rate >= 0 && rate < 1)) errors.Add(absl::StrCat("must be in [0, 1), not ", rate));
}

void CheckShare(double share, const FieldErrors& errors) {
  if (!(share > 0 && share <= 1)) errors.Add(absl::StrCat("must be in (0, 1], not ", share));
}

void CheckParameter(const ParameterSpec& parameter, const FieldErrors& errors) {
  if (CheckedElements(parameter.shape) < 0) {
    errors.Add(
        absl::StrCat("the ", parameter.name, " would be ", ToString(parameter.shape), ", more than 2^40 numbers"));
  }
}

int64_t CheckedFlops(int64_t outputs, int64_t products_each, int64_t additions_each, const FieldErrors& errors) {
  const int64_t limit = int64_t{1} << 53;  // Up to which a double counts exactly.
  const int64_t each = CheckedElements({products_each, 2}, limit - additions_each);
  const int64_t flops = each < 0 ? -1 : CheckedElements({outputs, each + additions_each}, limit);
  if (flops >= 0) return flops;
  errors.Add("takes more than 2^53 operations for one example");
  return 0;
}

LayerShape SameShape(absl::Span<const Shape> inputs, int64_t flops_each, const FieldErrors& errors) {
  LayerShape shape;
  const Shape* input = SingleInput(inputs, errors);
  if (input == nullptr) return shape;
  shape.output = *input;
  shape.forward_flops = CheckedFlops(Elements(*input), 0, flops_each, errors);
  return shape;
}

}  // namespace traind::core
