// How AlexNet and VGG end: two dense layers of `dense_width` with dropout behind them, and the classifier. `Config` is
// the preset's, with classes, dense_width, dropout and activation. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"

namespace traind::core {

// The defaults of both papers.
template <class Config>
void ResolveDenseHead(Config& config, const FieldErrors& errors) {
  CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
  ResolveActivation(*config.mutable_activation(), errors.At("activation"));
  if (!config.has_dropout()) config.set_dropout(0.5);
  CheckRate(config.dropout(), errors.At("dropout"));
  if (!config.has_dense_width()) config.set_dense_width(4096);
  CheckCount(config.dense_width(), 0, kMaxChannels, errors.At("dense_width"));
}

// Without a dense_width the classifier alone. Dropout is behind each of the two large layers, or before it.
template <class Config>
void AddDenseHead(const Config& config, std::vector<v1::Layer>& layers, bool dropout_first = false) {
  for (const std::string number : {"6", "7"}) {  // After the five stages before.
    if (config.dense_width() == 0) break;
    const auto drop = [&] {
      if (config.dropout() > 0) layers.push_back(MakeDropout("drop" + number, config.dropout()));
    };
    if (dropout_first) drop();
    layers.push_back(With(MakeDense("fc" + number, config.dense_width()), config.activation()));
    if (!dropout_first) drop();
  }
  layers.push_back(MakeDense("fc8", config.classes()));
}

}  // namespace traind::core
