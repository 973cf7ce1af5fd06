/** The lecture's experiment: a chain of layers, random data, and what becomes of the signal before any training. */
import {LayerStatistics} from "messages";
import {errorBox} from "web/app/notice";
import {remember, Route} from "web/app/route";
import {debounce, Scope} from "web/app/scope";
import {Axis} from "web/charts/axis";
import {HistogramChart, middle} from "web/charts/histograms";
import {LineChart} from "web/charts/line_chart";
import {h, replace, select, slider, toggle} from "web/dom";
import {num, percent} from "web/format";
import {call} from "web/rpc/call";
import {printText} from "web/text/print";
import {ActivationKinds, chain, InitializerKinds, Setup} from "web/views/lecture_network";

/** A verdict in words, for those who see the pictures for the first time. */
export function verdict(layers: LayerStatistics[]): string {
  if (!layers.length) return "";
  const first = layers[0].std, last = layers[layers.length - 1].std, ratio = last / first;
  const saturated = layers.filter((layer) => (layer.saturated_fraction ?? 0) > 0.5).length,
        zeros = layers[layers.length - 1].zero_fraction;
  if (layers.some((layer) => layer.nan_count + layer.inf_count > 0))
    return "The numbers leave the range of float32: nothing can be learned.";
  if (zeros > 0.95) return "Hardly a unit of the last layer is alive.";
  if (saturated > layers.length / 2 && layers[0].activation !== "relu")
    return "Most units are saturated: their gradients are nearly zero.";
  if (ratio < 0.05) return "The signal fades from layer to layer, and with it every gradient.";
  if (ratio > 20) return "The signal grows from layer to layer until it bursts.";
  return "The signal keeps its size through all layers: training can begin.";
}

export function lectureView(route: Route, root: HTMLElement, scope: Scope) {
  const given = (key: string, fallback: number) => Number(route.params.get(key) ?? fallback);
  const setup: Setup = {
    activation: route.params.get("activation") ?? "tanh",
    initializer: route.params.get("init") ?? "normal",
    scale: given("scale", -2),
    layers: given("layers", 6),
    units: given("units", 9),
    seed: given("seed", 1),
  };
  const told = h("div"), says = h("p", {class: "verdict", role: "status"}),
        histograms = h("div", {class: "small-charts"}), source = h("pre", {class: "source", tabindex: 0});
  const axis = new Axis(),
        spread = new LineChart("Standard deviation of each layer's output", scope, axis, {log: true, span: 0}, 190),
        mean = new LineChart("Mean", scope, axis, {log: false, span: 0}, 190),
        dead = new LineChart(
            "Saturated, and zeros", scope, axis,
            {log: false, span: 0, zero: true, format: (value) => percent(value, 0)}, 190);
  let shared = route.params.get("own") !== "1", shown: LayerStatistics[] = [];
  const changed = (key: string, value: string|number) => {
    remember({[key]: value});
    draw();
  };
  const scaleHolder = h("span");

  const controls =
      h("div", {class: "controls wide"}, select("Activation", ActivationKinds, setup.activation, (value) => {
          setup.activation = value;
          changed("activation", value);
        }), select("Weights", InitializerKinds.map(({key, label}) => [key, label]), setup.initializer, (value) => {
          setup.initializer = value;
          showScale();
          changed("init", value);
        }), scaleHolder, slider("Layers", 2, 12, 1, setup.layers, String, (value) => {
          setup.layers = value;
          changed("layers", value);
        }), slider("Units", 5, 12, 1, setup.units, (value) => String(2 ** value), (value) => {
          setup.units = value;
          changed("units", value);
        }), slider("Seed", 1, 20, 1, setup.seed, String, (value) => {
          setup.seed = value;
          changed("seed", value);
        }));
  function showScale() {
    const kind = InitializerKinds.find((one) => one.key === setup.initializer);
    replace(
        scaleHolder, kind?.scale ? slider(kind.scale, -4, 1, 0.1, setup.scale, (value) => num(10 ** value), (value) => {
          setup.scale = value;
          changed("scale", value);
        }) : null);
  }
  showScale();
  controls.append(toggle("One scale for all layers", shared, (on) => {
    shared = on;
    remember({own: on ? "" : 1});
    show(shown);
  }));
  replace(
      root, h("div", {class: "head"}, h("h1", {}, "Before the first step")),
      h("p", {class: "lead"},
        "Random numbers go through a chain of layers whose weights nobody has trained yet. If they fade or burst on the way, so will the gradients on their way back."),
      controls, told, says, histograms, h("div", {class: "charts"}, spread.node, mean.node, dead.node),
      h("details", {}, h("summary", {}, "As a job file, for trainctl probe"), source));

  let charts: HistogramChart[] = [], inner = scope.child(), asked: Scope|undefined;
  async function probe() {
    asked?.close();
    const mine = asked = scope.child(), network = chain(setup);
    replace(source, printText({network}, "traind.v1.JobSpec"));
    root.classList.add("busy");
    try {
      const {statistics, warnings} = await call(
          "TrainingService/ProbeNetwork",
          {network, normal: {}, batch_size: 16, seed: BigInt(setup.seed), histogram_bins: 96},
          {signal: mine.signal, timeoutMs: 60000});
      if (mine.closed) return;
      replace(told, warnings.map((warning) => h("div", {class: "box warn"}, warning)));
      show(statistics!.layers);
    } catch (error) {
      if (!mine.closed) replace(told, errorBox(error));
    } finally {
      if (!mine.closed) root.classList.remove("busy");
    }
  }
  function show(layers: LayerStatistics[]) {
    shown = layers;
    replace(says, verdict(layers));
    const all = middle(layers.flatMap((layer) => layer.histogram ?? []), 0.998);
    if (charts.length !== layers.length) {
      inner.close();
      inner = scope.child();
      charts = layers.map((layer) => new HistogramChart(layer.layer, inner, 130));
      replace(histograms, charts.map((chart) => chart.node));
    }
    layers.forEach((layer, i) => {
      charts[i].show(layer.histogram, shared || !layer.histogram ? all : middle([layer.histogram], 0.995));
      replace(charts[i].node.querySelector(".readout")!, h("span", {class: "value"}, "σ ", h("b", {}, num(layer.std))));
    });
    axis.full = [1, Math.max(2, layers.length)];
    const steps = layers.map((_, i) => i + 1),
          line = (label: string, color: string, values: number[]) =>
              ({label, color, curve: {steps, values, bucket_steps: 1, total: steps.length}});
    spread.show([line("std", "--line1", layers.map((layer) => layer.std))]);
    mean.show([line("mean", "--line3", layers.map((layer) => layer.mean))]);
    dead.show([
      line("saturated", "--line2", layers.map((layer) => layer.saturated_fraction ?? NaN)),
      line("zeros", "--line4", layers.map((layer) => layer.zero_fraction))
    ].filter(({curve}) => curve.values.some(Number.isFinite)));
  }
  const draw = debounce(120, () => void probe());
  void probe();
}
