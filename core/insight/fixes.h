// Changes of a job's spec that programs can apply: what several rules suggest. Each does nothing where the spec as it
// was submitted has no place for it (the network is a preset, say); the words of the finding stay.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/insight/rule.h"

namespace traind::core {

// For a change that is one rule's own: names the field of the spec, whose new value the rule then writes.
v1::JobSpec& Patch(const std::string& path, Sighting& sighting);
// The network as it was submitted, to be changed and to stand in a patch; null: it is not known, or too large for that.
const v1::Network* GivenNetwork(const Facts& facts);

// Calls `change` with each layer that is written in the network, those inside of blocks too, and its name in the graph.
// A block's own layer comes before those in it. What a preset or a block makes by itself is written nowhere.
void ForEachWritten(v1::Network& network, const std::function<void(const std::string& name, v1::Layer& layer)>& change);

// The weights of these layers start as their activations want them: xavier under tanh and sigmoid, kaiming otherwise.
// False: they do already, or are written nowhere.
bool PatchInitializers(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting);
// The layer's activation becomes leaky_relu, which does not die.
void PatchToLeakyRelu(const Facts& facts, const Node& layer, Sighting& sighting);
// These layers have no bias. Nothing where the job's initial weights or parameter_rules want one.
void PatchWithoutBias(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting);
// These layers get a relu, behind the batch normalization where they have one, if they have no activation.
void PatchRelu(const Facts& facts, const std::vector<const Node*>& layers, Sighting& sighting);
// A batch normalization between the weights of each hidden layer and its activation, where there is none. False: there
// is no place for one, a minibatch has too few examples, or the job's initial weights or parameter_rules do not fit.
bool PatchBatchNorms(const Facts& facts, Sighting& sighting);
// The outputs are those of the last weights: without their activation, or the softmax or activation that is the last
// layer. False: that is written nowhere.
bool PatchFreeOutputs(const Facts& facts, Sighting& sighting);
// No dropout above this rate.
void PatchDropout(const Facts& facts, double rate, Sighting& sighting);
// Of each pair of layers, of which the second reads the first, the first goes behind the second.
void PatchBehind(const Facts& facts, const std::vector<std::pair<const Node*, const Node*>>& pairs, Sighting& sighting);
// The optimizer's rate times `factor`, without batch_scaling, which would multiply it once more.
void PatchRate(const Facts& facts, double factor, Sighting& sighting);
// Whether the job's optimizer may clip its gradients: lbfgs may not.
bool TakesClipping(const Facts& facts);
// The gradients are clipped to this joint norm, where they may be.
void PatchClipping(const Facts& facts, double norm, Sighting& sighting);
// standardize behind the preprocessing that there is.
void PatchStandardize(const Facts& facts, Sighting& sighting);
// The rate goes down by a cosine, where it has no schedule.
void PatchCosine(const Facts& facts, Sighting& sighting);
// Early stopping by the evaluation loss, with the best weights, where there is none.
void PatchEarlyStopping(const Facts& facts, Sighting& sighting);
// Minibatches of so many examples, if the training split has them.
void PatchBatch(const Facts& facts, uint32_t batch, Sighting& sighting);
// Twice the threads that make minibatches.
void PatchPrefetch(const Facts& facts, Sighting& sighting);

}  // namespace traind::core
