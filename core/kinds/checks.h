// What layers, blocks and presets check in the same way. Each function records violations at the field it names.
// Thread-safe: pure.
#pragma once

#include <cstdint>
#include <optional>

#include "core/kinds/layer.h"
#include "traind/v1/initializer.pb.h"

namespace traind::core {

// The most units or channels of a layer; keeps every product of two sizes within an int64_t.
inline constexpr int64_t kMaxChannels = int64_t{1} << 24;

// The only input's shape; null, with a violation, when there are none or several.
const Shape* SingleInput(absl::Span<const Shape> inputs, const FieldErrors& errors);

// The same for a layer that works on images: the shape is [channels, height, width].
const Shape* SingleImage(absl::Span<const Shape> inputs, const FieldErrors& errors);

// The same for a layer that works on sequences: the shape is [features, length].
const Shape* SingleSequence(absl::Span<const Shape> inputs, const FieldErrors& errors);

// The same for a layer that works on positions: an image or a sequence.
const Shape* SinglePositions(absl::Span<const Shape> inputs, const FieldErrors& errors);

// False, with a violation, when there is one input or none.
bool SeveralInputs(absl::Span<const Shape> inputs, const FieldErrors& errors);

// Puts `fallback` where the user chose no initializer, then checks what is there and fills in its defaults.
void ResolveInitializer(v1::Initializer* initializer, const v1::Initializer& fallback, const FieldErrors& errors);
v1::Initializer ZerosInitializer();
v1::Initializer KaimingInitializer();
v1::Initializer ConstantInitializer(double value);

// A number of units or channels: 1 to kMaxChannels.
void CheckChannels(int64_t channels, const FieldErrors& errors);
// A number of classes, channels or layers: `low` to `high`.
void CheckCount(uint64_t count, uint64_t low, uint64_t high, const FieldErrors& errors);
// The same from `unit` to `high`, in steps of `unit`.
void CheckMultiple(uint64_t count, uint64_t unit, uint64_t high, const FieldErrors& errors);
// What is dropped: in [0, 1).
void CheckRate(double rate, const FieldErrors& errors);
// What stays: in (0, 1].
void CheckShare(double share, const FieldErrors& errors);

// Violations when a parameter or the operations of one example exceed what the engine counts with.
void CheckParameter(const ParameterSpec& parameter, const FieldErrors& errors);
// 2 * products + additions, both counted over `outputs`; 0 with a violation when it exceeds 2^53.
int64_t CheckedFlops(int64_t outputs, int64_t products_each, int64_t additions_each, const FieldErrors& errors);

// The shape of a layer that gives what it takes, with `flops_each` operations for each value.
LayerShape SameShape(absl::Span<const Shape> inputs, int64_t flops_each, const FieldErrors& errors);

}  // namespace traind::core
