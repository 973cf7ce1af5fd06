/** One layer: what it computes, histograms over time, its numbers, its tensors, and its place in the network. */
import {JobSpec, LayerStatistics, NetworkDescription, ParameterStatistics, Quantity} from "messages";
import {isTerminal, JobFeed} from "web/app/feed";
import {Growing} from "web/app/growing";
import {errorBox} from "web/app/notice";
import {address, parseRoute} from "web/app/route";
import {Scope} from "web/app/scope";
import {lineColor} from "web/charts/colors";
import {graph} from "web/charts/graph";
import {Ridge} from "web/charts/histograms";
import {LineChart} from "web/charts/line_chart";
import {textScale} from "web/charts/painter";
import {Child, h, name, replace} from "web/dom";
import {big, count, num, percent, shape} from "web/format";
import {call, CallError, Code} from "web/rpc/call";
import {figureOf, table} from "web/views/parts";

const mostHistograms = 48;

/** The layer's own layer of the network of a job as the server runs it. */
export async function describeNetwork(feed: JobFeed, scope: Scope): Promise<NetworkDescription> {
  const job =
      await call("TrainingService/GetJob", {name: feed.name, view: "JOB_VIEW_RESOLVED"}, {signal: scope.signal});
  const spec = job.resolved_spec as JobSpec, network = {
    ...spec.network,
    input_shape: spec.network?.input_shape.length ? spec.network.input_shape : spec.data?.example_shape
  };
  return call(
      "TrainingService/DescribeNetwork", {
        network,
        batch_size: spec.batch_size,
        precision: spec.precision,
        optimizer: spec.optimizer,
        convolution_algorithm: spec.convolution_algorithm
      },
      {signal: scope.signal});
}

const curveGroups: [string, Quantity[], string[], boolean][] = [
  ["Mean and standard deviation of the output", ["QUANTITY_MEAN", "QUANTITY_STD"], ["mean", "std"], false],
  [
    "Zeros, saturated, dead", ["QUANTITY_ZERO_FRACTION", "QUANTITY_SATURATED_FRACTION", "QUANTITY_DEAD_FRACTION"],
    ["zeros", "saturated", "dead"], false
  ],
];
const tensorGroups: [string, Quantity, boolean][] = [
  ["Gradient norm", "QUANTITY_TENSOR_GRADIENT_NORM", true],
  ["Update ratio", "QUANTITY_UPDATE_RATIO", true],
  ["Weight norm", "QUANTITY_WEIGHT_NORM", false],
];

export function layerPanel(feed: JobFeed, layer: string, root: HTMLElement, scope: Scope) {
  const ridge = new Ridge(`Output of ${layer}`, scope), numbers = h("div"), place = h("div"), told = h("div"),
        charts = h("div", {class: "charts"});
  const close = parseRoute(location.hash);
  close.params.delete("layer");
  replace(
      root,
      h("div", {class: "head"}, h("h2", {}, name(layer)), h("span", {class: "push"}),
        h("a", {class: "button quiet", href: address(close.path, Object.fromEntries(close.params))}, "Close")),
      told, numbers, h("div", {class: "two"}, ridge.node, place), charts);
  const failed = (error: unknown) => {
    if (scope.closed) return;
    if (error instanceof CallError && error.code === Code.invalidArgument) {
      replace(root, errorBox(error));
      scope.close();
    }  // There is no such layer.
    else
      replace(told, errorBox(error));
  };

  const lineCharts = [
    ...curveGroups.map(
        ([title, quantities, labels, log]) =>
            ({chart: new LineChart(title, scope, feed.axis, {log, span: 0}, 170), quantities, labels, own: true})),
    ...tensorGroups.map(([title, quantity, log]) => ({
                          chart: new LineChart(title, scope, feed.axis, {log, span: 0}, 170),
                          quantities: [quantity],
                          labels: [] as string[],
                          own: false
                        })),
  ];
  lineCharts.forEach(({chart}) => charts.append(chart.node));
  const wanted = {
    quantities: lineCharts.flatMap(({quantities}) => quantities),
    maxPoints: 500,
    layers: [layer],
    maxReports: mostHistograms
  };
  const growing = new Growing(feed.name, wanted, scope);
  async function load() {
    await growing.read(feed.axis.zoomed);
    if (scope.closed) return;
    const all = growing.curves,
          rows = growing.reports.map(({step, statistics}) => ({step, statistics, one: statistics.layers[0]}));
    const newest = rows[rows.length - 1];
    if (newest) showNumbers(numbers, newest.one, newest.statistics.parameters, newest.step);
    ridge.show(rows.flatMap(({step, one}) => one.histogram ? [{step, histogram: one.histogram}] : []));
    for (const {chart, quantities, labels, own} of lineCharts) {
      const lines = own ?
          quantities.flatMap((quantity, i) => {
            const curve = all.of(quantity).get(layer);
            return curve ? [{label: labels[i], color: lineColor(i), curve}] : [];
          }) :
          [...all.of(quantities[0])].map(
              ([tensor, curve], i) => ({label: tensor.slice(layer.length + 1), color: lineColor(i), curve}));
      chart.node.hidden = !lines.length;
      chart.show(lines);
    }
  }
  describeNetwork(feed, scope)
      .then(
          (network) => {
            if (scope.closed) return;
            replace(place, graph("Place in the network", network.layers, layer, (other) => {
                      const now = parseRoute(location.hash);
                      now.params.set("layer", other);
                      return address(now.path, Object.fromEntries(now.params));
                    }));
            const box = place.querySelector(".graph-box"), mine = place.querySelector<SVGElement>("a.chosen rect");
            if (box && mine) box.scrollTop = Number(mine.getAttribute("y")) * textScale() - box.clientHeight / 2;
          },
          (error: unknown) => {
            if (!scope.closed) replace(place, errorBox(error));
          });

  let whole = false;  // All has been read that there will be.
  void scope.every(4000, async () => {
    const ended = !!feed.job && isTerminal(feed.job);
    if (ended && whole) return;
    await load();
    replace(told);
    whole = ended;
  }, failed);
  scope.onClose(feed.axis.listen((change) => {
    if (change === "range") void load().catch(failed);
  }));
}

function showNumbers(root: HTMLElement, one: LayerStatistics, tensors: ParameterStatistics[], step: number) {
  const maybe = (label: string, value: Child) => figureOf(label, value);
  replace(
      root,
      h("div", {class: "figures"},
        maybe("kind", [one.kind, one.activation && one.activation !== one.kind ? ` + ${one.activation}` : ""]),
        maybe("output", shape(one.shape)), maybe("mean", num(one.mean)), maybe("std", num(one.std)),
        maybe("min", num(one.min)), maybe("max", num(one.max)), maybe("zeros", percent(one.zero_fraction)),
        one.saturated_fraction === undefined ? null : maybe("saturated", percent(one.saturated_fraction)),
        one.dead_units === undefined ? null : maybe("dead units", `${count(one.dead_units)} of ${count(one.units)}`),
        one.nan_count + one.inf_count ? maybe("NaN, infinite", `${big(one.nan_count)}, ${big(one.inf_count)}`) : null,
        maybe("at step", count(step))),
      tensors.length ? tensorTable(tensors) : null);
}

function tensorTable(tensors: ParameterStatistics[]): HTMLElement {
  const pruned = tensors.some((t) => t.sparsity !== undefined);
  return table(
      [
        "tensor", "#weight norm", "#mean", "#std", "#gradient norm", "#gradient std", "#update ratio",
        ...pruned ? ["#pruned"] : []
      ],
      tensors.map(
          (t) =>
              [name(t.name), num(t.weight_norm), num(t.weight_mean), num(t.weight_std),
               t.frozen ? "frozen" : num(t.gradient_norm), t.frozen ? "" : num(t.gradient_std),
               t.frozen ? "" : num(t.update_ratio),
               ...pruned ? [t.sparsity === undefined ? "" : percent(t.sparsity)] : []]),
      "Tensors of the layer");
}
