// An ONNX graph while it is made: operators, and constants that are made here or stay where they are, in a file of
// weights. Names: the tensors of the network have their own ("conv1.weight"); what this makes has a slash in its name,
// which no layer has. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/checkpoint/safetensors.h"
#include "core/tensor/tensor.h"
#include "traind/internal/onnx.pb.h"

namespace traind::core::onnx {

inline constexpr int32_t kFloat = 1, kInt64 = 7;  // OnnxTensor.data_type.

// A constant whose bytes follow its message.
struct StoredTensor {
  internal::OnnxTensor head;  // Without raw_data.
  absl::string_view bytes;    // Of an open file.
};

class GraphWriter {
 public:
  class Attribute {
   public:
    Attribute(absl::string_view name, double value);
    Attribute(absl::string_view name, int64_t value);
    Attribute(absl::string_view name, absl::Span<const int64_t> values);
    const internal::OnnxAttribute& message() const { return message_; }

   private:
    internal::OnnxAttribute message_;
  };

  // What comes next belongs to the layer `name`.
  void Begin(absl::string_view name);

  // An operator; returns the name of its output.
  std::string Op(absl::string_view type, std::vector<std::string> inputs,
                 const std::vector<Attribute>& attributes = {});
  // `output` instead of a name of our own.
  void OpTo(absl::string_view output, absl::string_view type, std::vector<std::string> inputs);

  // Constants. All return their names.
  std::string Number(double value);  // Without dimensions, so that it goes with every shape.
  std::string Floats(absl::string_view name, const Shape& shape, absl::Span<const float> values);
  std::string Ints(absl::string_view name, const std::vector<int64_t>& values);
  // Of the file, which outlives this, by the name that it has there.
  std::string Stored(const Safetensors& file, absl::string_view name);

  // x in the shape of `example`, whatever the batch.
  std::string Reshape(const std::string& x, const Shape& example);
  // A constant [channels] as it goes with examples of as many dimensions as `example`.
  std::string PerChannel(const std::string& constant, const Shape& example);

  internal::OnnxGraph& graph() { return graph_; }
  const std::vector<StoredTensor>& stored() const { return stored_; }

 private:
  std::string NameFor(absl::string_view what);

  internal::OnnxGraph graph_;
  std::vector<StoredTensor> stored_;
  absl::flat_hash_set<std::string> names_;  // Of stored_.
  std::string layer_;
  int made_ = 0;  // Names of the layer.
};

}  // namespace traind::core::onnx
