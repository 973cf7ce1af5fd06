/** Job files to begin with; `dataset` stands for the first dataset of the server. */
export const templates: [string, string, (dataset: string) => string][] = [
  [
    "mlp", "Two hidden layers", (dataset) => `display_name: "Two hidden layers"

network {
  layers { name: "hidden1" dense { units: 256 } activation { relu {} } }
  layers { name: "dropout1" dropout { rate: 0.2 } }
  layers { name: "hidden2" dense { units: 256 } activation { relu {} } }
  layers { name: "logits" dense { units: 10 } }
}

data { dataset: "${dataset}" preprocessing { scale {} } }

optimizer { adam {} learning_rate: 0.001 }

epochs: 5
`
  ],
  [
    "cnn", "Convolutions", (dataset) => `display_name: "Convolutions"

network {
  layers { name: "conv1" conv2d { out_channels: 16 kernel: 3 padding { mode: SAME } bias: false } }
  layers { name: "norm1" batch_norm {} activation { relu {} } }
  layers { name: "pool1" max_pool { kernel: 2 } }
  layers { name: "conv2" conv2d { out_channels: 32 kernel: 3 padding { mode: SAME } bias: false } }
  layers { name: "norm2" batch_norm {} activation { relu {} } }
  layers { name: "pool2" max_pool { kernel: 2 } }
  layers { name: "logits" dense { units: 10 weight_init { normal { std: 0.01 } } } }
}

data { dataset: "${dataset}" preprocessing { standardize { grouping: PER_CHANNEL } } }

optimizer { sgd { momentum: 0.9 nesterov: true } learning_rate: 0.05 schedule { cosine {} warmup_steps: 50 } }

epochs: 3
seed: 1
`
  ],
  [
    "resnet", "ResNet-20", (dataset) => `display_name: "ResNet-20"

network { preset { resnet { classes: 10 depth: 20 width: 8 } } }

data {
  dataset: "${dataset}"
  preprocessing { standardize { grouping: PER_CHANNEL } }
  augmentation { horizontal_flip {} }
  augmentation { pad_and_crop { padding: 2 } }
}

optimizer { sgd { momentum: 0.9 } learning_rate: 0.1 coupled_weight_decay: 0.0001 schedule { cosine {} } }

epochs: 10
`
  ],
];
