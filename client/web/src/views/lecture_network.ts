/** The network of the lecture's experiment. Pure. */
import {Activation, Initializer, Network} from "messages";
import {Init} from "web/rpc/wire";

export interface Setup {
  activation: string;
  initializer: string;
  scale: number;
  layers: number;
  units: number;
  seed: number
}

export const ActivationKinds: [string, string][] = [
  ["tanh", "tanh"],
  ["sigmoid", "sigmoid"],
  ["relu", "relu"],
  ["leaky_relu", "leaky relu"],
  ["elu", "elu"],
  ["selu", "selu"],
  ["gelu", "gelu"],
  ["softplus", "softplus"],
  ["swish", "swish"],
  ["mish", "mish"],
  ["", "none"],
];

/** `scale`: what the slider is, where there is something to slide. */
export const InitializerKinds:
    {key: string; label: string; scale?: string; make: (scale: number) => Init<Initializer>}[] = [
      {
        key: "normal",
        label: "normal, of a fixed size",
        scale: "Standard deviation",
        make: (scale) => ({normal: {std: Number((10 ** scale).toPrecision(3))}})
      },
      {
        key: "uniform",
        label: "uniform, of a fixed size",
        scale: "Half width",
        make: (scale) =>
            ({uniform: {low: -Number((10 ** scale).toPrecision(3)), high: Number((10 ** scale).toPrecision(3))}})
      },
      {key: "xavier", label: "Xavier", make: () => ({xavier: {}})},
      {key: "kaiming", label: "Kaiming", make: () => ({kaiming: {}})},
      {key: "orthogonal", label: "orthogonal", make: () => ({orthogonal: {}})},
      {key: "random_walk", label: "random walk", make: () => ({random_walk: {}})},
      {key: "zeros", label: "zeros", make: () => ({zeros: {}})},
    ];

export function chain(setup: Setup): Init<Network> {
  const units = 2 ** setup.units,
        initializer = InitializerKinds.find((one) => one.key === setup.initializer) ?? InitializerKinds[0];
  const activation = setup.activation ? {[setup.activation]: {}} as Init<Activation>: undefined;
  return {
    input_shape: [units],
    layers: Array.from(
        {length: setup.layers},
        (_, i) => ({name: `layer${i + 1}`, dense: {units, weight_init: initializer.make(setup.scale)}, activation})),
  };
}
