// What every composite is: it checks its config and expands into layers, plain ones or blocks again, which the graph is
// then built from. One kind is one .cc file in core/blocks that registers itself.
//
// Thread-safety: const methods may run in several threads at once; a BlockBuilder belongs to one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/errors.h"
#include "core/base/registry.h"
#include "core/tensor/tensor.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

using LayerList = google::protobuf::RepeatedPtrField<v1::Layer>;

// What a block sees while it expands. Names are those inside the block; "input" is what the block reads.
class BlockBuilder {
 public:
  static constexpr std::string_view kInput = "input";

  virtual ~BlockBuilder() = default;

  // The shape of the input or of a layer that was added; null where a violation keeps it from being known.
  virtual const Shape* ShapeOf(std::string_view name) const = 0;
  // How many residual blocks the network has (Block::is_residual).
  virtual int residual_blocks() const = 0;

  // Adds a layer of the block's own making. Without inputs it reads the one added before it.
  virtual void Add(v1::Layer layer) = 0;
  // The same for the last one, which gets the block's name and activation. Every block ends with it.
  virtual void AddLast(v1::Layer layer) = 0;
  // Adds the layers that the user wrote in `errors`' field "layers"; they read each other and "input". Returns the name
  // of the last one.
  virtual std::string AddWritten(LayerList layers, const FieldErrors& errors) = 0;
};

class Block {
 public:
  virtual ~Block() = default;
  // `errors` is the scope of the block's config.
  virtual void Expand(BlockBuilder& builder, const FieldErrors& errors) const = 0;

  // --- What others ask before it expands. The defaults are those of a block that makes all its layers.
  // The lists of layers that the user wrote into its config; they live as long as the block.
  virtual std::vector<const LayerList*> written() const { return {}; }
  // Whether it is a sum with a shortcut, one of BlockBuilder::residual_blocks().
  virtual bool is_residual() const { return false; }
  // Whether a layer of its own making does (LayerTraits), whatever is written.
  virtual bool normalizes_over_batch() const { return false; }
};

}  // namespace traind::core
