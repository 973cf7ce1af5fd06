#include "core/onnx/export.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/errors.h"
#include "core/checkpoint/match_weights.h"
#include "core/data/input_pipeline.h"
#include "core/graph/graph.h"
#include "core/onnx/forms.h"
#include "core/onnx/graph_writer.h"
#include "traind/version.h"

namespace traind::core::onnx {
namespace {

constexpr int64_t kIrVersion = 8, kOpset = 17;
constexpr char kBatch[] = "batch", kInput[] = "input", kOutput[] = "output";

// The bytes that introduce a field of `size` bytes: its number with wire type 2, and the size.
std::string FieldHead(uint32_t number, uint64_t size) {
  std::string bytes;
  const auto append = [&bytes](uint64_t value) {
    for (; value > 127; value >>= 7) bytes.push_back(static_cast<char>((value & 127) | 128));
    bytes.push_back(static_cast<char>(value));
  };
  append(number << 3 | 2);
  append(size);
  return bytes;
}

void Describe(absl::string_view name, const Shape& example, absl::string_view what, internal::OnnxValue& value) {
  value.set_name(std::string(name));
  value.set_doc_string(std::string(what));
  internal::OnnxTensorType& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(kFloat);
  type.mutable_shape()->add_dim()->set_dim_param(kBatch);
  for (const int64_t extent : example) type.mutable_shape()->add_dim()->set_dim_value(extent);
}

absl::Status CheckForms(const Graph& graph) {
  std::vector<std::string> missing;
  for (const Node& node : graph.nodes()) {
    if (node.layer && FindLayerForm(node.kind) == nullptr) {
      missing.push_back(absl::StrCat("layer \"", node.name, "\" (", node.kind, ")"));
    }
    if (node.activation && FindActivationForm(node.activation_kind) == nullptr) {
      missing.push_back(absl::StrCat("the activation of \"", node.name, "\" (", node.activation_kind, ")"));
    }
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("there is no ONNX form of ", absl::StrJoin(missing, ", "),
                                               ": no operator of opset 17 is known to compute it"));
}

absl::Status CheckWeights(const Graph& graph, const Safetensors& weights) {
  std::vector<NeededTensor> needed;
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      needed.push_back({.name = node.name + "." + parameter.name, .shape = parameter.shape});
    }
  }
  v1::InitialWeights by_own_names;
  by_own_names.set_names(v1::InitialWeights::NAMES_NETWORK);
  const std::vector<std::string> problems = MatchWeights(weights, needed, by_own_names).Problems();
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the weights are not those of the network: ", absl::StrJoin(problems, "; ")));
}

// The layers, from the value `x` on; returns the network's output.
std::string WriteLayers(GraphWriter& writer, const Graph& graph, const v1::Network& network, const Safetensors& weights,
                        const std::string& x) {
  std::vector<std::string> outputs;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    writer.Begin(node.name);
    LayerParts parts{
        .graph = writer, .node = node, .config = network.layers(static_cast<int>(i)), .weights = weights, .inputs = {}};
    for (const int input : node.inputs) parts.inputs.push_back(input == Node::kNetworkInput ? x : outputs[input]);
    std::string y = node.layer ? FindLayerForm(node.kind)(parts) : parts.inputs[0];
    if (node.activation) y = FindActivationForm(node.activation_kind)(parts, y);
    outputs.push_back(std::move(y));
  }
  return outputs[graph.output_index()];
}

std::string JsonList(const std::vector<std::string>& texts) {
  google::protobuf::ListValue list;
  for (const std::string& text : texts) list.add_values()->set_string_value(text);
  std::string json;
  return google::protobuf::util::MessageToJsonString(list, &json).ok() ? json : "[]";  // Of text alone it is.
}

// Whether the job's predictions are means over several looks, or over another look than the first one.
bool AveragesLooks(const ExportRequest& request, const InputPipeline& pipeline) {
  const v1::TestTime& test_time = request.spec.evaluation().test_time();
  if (test_time.fractional_samples() > 1 || test_time.dropout_samples() > 0) return true;
  const auto looks = pipeline.LooksAt(request.stored, test_time);
  return looks.ok() && (looks->count() > 1 || looks->plain() != pipeline.first_look().plain());
}

std::vector<std::string> NotesOf(const ExportRequest& request, const InputPipeline& pipeline) {
  std::vector<std::string> notes;
  if (!pipeline.first_look().plain()) {
    notes.push_back(absl::StrCat("the network reads ", ToString(pipeline.augmented_shape()), " of examples ",
                                 ToString(request.stored), ": scaling and cropping to that is not in the file"));
  }
  if (AveragesLooks(request, pipeline)) {
    notes.push_back("the file looks at each example once: the several looks of evaluation.test_time are not in it");
  }
  if (request.spec.precision() == v1::PRECISION_BF16) {
    notes.push_back("the file computes in float32, the job in bfloat16: outputs differ by its rounding");
  }
  return notes;
}

internal::OnnxModel HeadOf(const ExportRequest& request) {
  internal::OnnxModel model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("traind");
  model.set_producer_version(kVersion);
  model.add_opset_import()->set_version(kOpset);
  const auto add = [&model](const std::string& key, const std::string& value) {
    internal::OnnxEntry& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  };
  if (!request.class_names.empty()) add("class_names", JsonList(request.class_names));
  for (const auto& [key, value] : request.metadata) add(key, value);
  return model;
}

// What the graph is made of: the engine's graph of the network and the pipeline before it.
struct Trained {
  v1::Network network;
  std::unique_ptr<Graph> graph;
  InputPipeline pipeline;
};

absl::StatusOr<Trained> Plan(const ExportRequest& request) {
  Trained trained{.network = request.spec.network(), .graph = nullptr, .pipeline = {}};
  FieldErrors::Root errors;
  trained.graph = Graph::Build(trained.network, errors.scope("network"));
  if (trained.graph == nullptr) return errors.ToStatus();
  auto pipeline = InputPipeline::Make(request.spec.data(), request.stored);
  if (!pipeline.ok()) return pipeline.status();
  trained.pipeline = *std::move(pipeline);
  return trained;
}

}  // namespace

absl::StatusOr<File> File::Make(const ExportRequest& request) {
  auto trained = Plan(request);
  if (!trained.ok()) return trained.status();
  if (absl::Status status = CheckForms(*trained->graph); !status.ok()) return status;
  File file;
  auto weights = Safetensors::Open(request.weights_path);
  if (!weights.ok()) return weights.status();
  file.weights_.emplace(*std::move(weights));
  if (absl::Status status = CheckWeights(*trained->graph, *file.weights_); !status.ok()) return status;
  if (!request.preprocessing_path.empty()) {
    auto learned = Safetensors::Open(request.preprocessing_path);
    if (!learned.ok()) return learned.status();
    file.learned_.emplace(*std::move(learned));
  }
  file.notes_ = NotesOf(request, trained->pipeline);

  GraphWriter writer;
  Shape shape = trained->pipeline.augmented_shape();
  Describe(kInput, shape, "examples as the training data has them, before preprocessing; bytes as 0 to 255",
           *writer.graph().add_input());
  auto x =
      Preprocess(writer, request.spec.data().preprocessing(), file.learned_ ? &*file.learned_ : nullptr, kInput, shape);
  if (!x.ok()) return x.status();
  writer.OpTo(kOutput, "Identity", {WriteLayers(writer, *trained->graph, trained->network, *file.weights_, *x)});
  Describe(kOutput, trained->graph->output().output, "the network's output, before any softmax of the loss",
           *writer.graph().add_output());
  writer.graph().set_name("traind");

  const std::string graph = writer.graph().SerializeAsString();
  int64_t graph_size = static_cast<int64_t>(graph.size());
  std::vector<Piece> tensors;
  for (const StoredTensor& tensor : writer.stored()) {
    const std::string head = tensor.head.SerializeAsString() + FieldHead(9, tensor.bytes.size());
    tensors.push_back({.own = FieldHead(5, head.size() + tensor.bytes.size()) + head, .shown = tensor.bytes});
    graph_size += static_cast<int64_t>(tensors.back().own.size() + tensor.bytes.size());
  }
  file.Add(HeadOf(request).SerializeAsString() + FieldHead(7, static_cast<uint64_t>(graph_size)) + graph, {});
  for (Piece& piece : tensors) file.Add(std::move(piece.own), piece.shown);
  if (file.size_ > std::numeric_limits<int32_t>::max()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the model has ", file.size_,
                     " bytes, and a file of ONNX at most 2147483647: ", "download the weights as safetensors instead"));
  }
  return file;
}

void File::Add(std::string own, absl::string_view shown) {
  size_ += static_cast<int64_t>(own.size() + shown.size());
  pieces_.push_back({.own = std::move(own), .shown = shown});
}

std::string File::Next(size_t most) {
  std::string bytes;
  while (bytes.size() < most && piece_ < pieces_.size()) {
    const Piece& piece = pieces_[piece_];
    const bool in_own = offset_ < piece.own.size();
    const absl::string_view rest =
        in_own ? absl::string_view(piece.own).substr(offset_) : piece.shown.substr(offset_ - piece.own.size());
    const absl::string_view taken = rest.substr(0, most - bytes.size());
    bytes.append(taken.data(), taken.size());
    offset_ += taken.size();
    if (offset_ < piece.own.size() + piece.shown.size()) continue;
    ++piece_;
    offset_ = 0;
  }
  return bytes;
}

}  // namespace traind::core::onnx
