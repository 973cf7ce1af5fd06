"""The cases of record.py with layer, group and local response normalization."""
import torch
from torch import nn

LAYERS = """\
  layers { name: "conv1" conv2d { out_channels: 8 kernel: 3 padding { mode: SAME } bias: false } }
  layers { name: "groups" group_norm { groups: 4 } activation { relu {} } }
  layers { name: "conv2" conv2d { out_channels: 12 kernel: 3 stride: 2 padding { amount: 1 } } }
  layers { name: "values" layer_norm { epsilon: 0.001 } activation { relu {} } }
  layers { name: "hidden" dense { units: 10 } }
  layers { name: "features" layer_norm {} activation { tanh {} } }
  layers { name: "logits" dense { units: 5 } }
"""

RESPONSES = """\
  layers { name: "conv1" conv2d { out_channels: 16 kernel: 3 padding { mode: SAME } } activation { relu {} } }
  layers { name: "norm1" local_response_norm { alpha: 0.5 k: 2 } }
  layers { name: "conv2" conv2d { out_channels: 6 kernel: 3 padding { amount: 1 } } activation { relu {} } }
  layers { name: "norm2" local_response_norm { size: 3 alpha: 1 beta: 0.5 } }
  layers { name: "pool" avg_pool { kernel: 4 } }
  layers { name: "logits" dense { units: 5 } }
"""


def norms(Net, image, classes):
    def forward(net, x):
        x = torch.relu(net.groups(net.conv1(x)))
        x = torch.relu(net.values(net.conv2(x)))
        return net.logits(torch.tanh(net.features(net.hidden(x.flatten(1)))))
    height, width = image[1] // 2, image[2] // 2
    return Net(forward, conv1=nn.Conv2d(image[0], 8, 3, padding=1, bias=False), groups=nn.GroupNorm(4, 8),
               conv2=nn.Conv2d(8, 12, 3, stride=2, padding=1), values=nn.LayerNorm([12, height, width], eps=1e-3),
               hidden=nn.Linear(12 * height * width, 10), features=nn.LayerNorm(10), logits=nn.Linear(10, classes))


def responses(Net, image, classes):
    # PyTorch divides alpha by the size too.
    first, second = nn.LocalResponseNorm(5, alpha=0.5, k=2), nn.LocalResponseNorm(3, alpha=1, beta=0.5)

    def forward(net, x):
        x = first(torch.relu(net.conv1(x)))
        x = second(torch.relu(net.conv2(x)))
        return net.logits(nn.functional.avg_pool2d(x, 4).flatten(1))
    return Net(forward, conv1=nn.Conv2d(image[0], 16, 3, padding=1), conv2=nn.Conv2d(16, 6, 3, padding=1),
               logits=nn.Linear(6 * (image[1] // 4) * (image[2] // 4), classes))


def cases(Net, image, classes):
    """Name, layers and network."""
    yield "norm_layer_and_group", LAYERS, norms(Net, image, classes)
    yield "norm_local_response", RESPONSES, responses(Net, image, classes)
