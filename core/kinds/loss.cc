#include "core/kinds/loss.h"

#include "core/base/kind.h"

namespace traind::core {

int64_t AnswerOf(OutputMeaning meaning, const float* row, int64_t outputs) {
  int64_t best = 0;
  for (int64_t c = 0; c < outputs; ++c) {
    if (row[c] != row[c]) return -1;
    if (row[c] > row[best]) best = c;
  }
  return IsBinary(meaning, outputs) ? (row[0] > 0 ? 1 : 0) : best;
}

int64_t CountCorrect(OutputMeaning meaning, const float* output, const int32_t* labels, int64_t n, int64_t outputs) {
  int64_t correct = 0;
  for (int64_t i = 0; i < n; ++i) correct += AnswerOf(meaning, output + i * outputs, outputs) == labels[i] ? 1 : 0;
  return correct;
}

v1::ClassWeights* MutableClassWeights(v1::Loss& loss) {
  const auto* kind = KindField(loss);
  if (kind == nullptr) return nullptr;
  google::protobuf::Message& config = *loss.GetReflection()->MutableMessage(&loss, kind);
  const auto* field = config.GetDescriptor()->FindFieldByName("class_weights");
  if (field == nullptr || field->message_type() != v1::ClassWeights::descriptor()) return nullptr;
  return static_cast<v1::ClassWeights*>(config.GetReflection()->MutableMessage(&config, field));
}

}  // namespace traind::core
