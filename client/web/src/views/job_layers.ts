/** All layers over all steps, and one of them from near. */
import {Quantity} from "messages";
import {Curves, isTerminal, JobFeed} from "web/app/feed";
import {Growing} from "web/app/growing";
import {errorBox} from "web/app/notice";
import {address, go, parseRoute, remember, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {Curve, emptyCurve} from "web/charts/curve";
import {heatGrid} from "web/charts/heat";
import {HeatStrip, Strip} from "web/charts/heat_strip";
import {marksOf} from "web/charts/marks";
import {h, replace, select} from "web/dom";
import {count, num, percent} from "web/format";
import {Findings} from "web/views/job_findings";
import {layerPanel} from "web/views/layer";
import {loading} from "web/views/parts";

export interface StripKind {
  quantity: Quantity;
  label: string;
  log: boolean;
  divided: boolean;
  fixed?: [number, number];
  format: (value: number) => string
}

export const stripKinds: Record<string, StripKind> = {
  update: {quantity: "QUANTITY_UPDATE_RATIO", label: "update ratio", log: true, divided: false, format: num},
  zeros: {
    quantity: "QUANTITY_ZERO_FRACTION",
    label: "share of zeros",
    log: false,
    divided: false,
    fixed: [0, 1],
    format: (value) => percent(value)
  },
  saturated: {
    quantity: "QUANTITY_SATURATED_FRACTION",
    label: "saturated",
    log: false,
    divided: false,
    fixed: [0, 1],
    format: (value) => percent(value)
  },
  dead: {
    quantity: "QUANTITY_DEAD_FRACTION",
    label: "dead units",
    log: false,
    divided: false,
    fixed: [0, 1],
    format: (value) => percent(value)
  },
  mean: {quantity: "QUANTITY_MEAN", label: "mean", log: false, divided: true, format: num},
  std: {quantity: "QUANTITY_STD", label: "standard deviation", log: true, divided: false, format: num},
  gradient: {quantity: "QUANTITY_TENSOR_GRADIENT_NORM", label: "gradient norm", log: true, divided: false, format: num},
  bad: {quantity: "QUANTITY_NON_FINITE", label: "NaN and infinite", log: false, divided: false, format: count},
};

/** Of tensors the weights stand for their layer: "conv1.weight" -> "conv1". Of a layer without weights, its first. */
export function byLayer(kind: StripKind, curves: Curves): Map<string, Curve> {
  const all = curves.of(kind.quantity);
  if (kind.quantity !== "QUANTITY_UPDATE_RATIO" && kind.quantity !== "QUANTITY_TENSOR_GRADIENT_NORM") return all;
  const layers = new Map<string, Curve>();
  for (const [tensor, curve] of all) {
    const layer = tensor.slice(0, tensor.lastIndexOf("."));
    if (!layers.has(layer) || tensor.endsWith(".weight")) layers.set(layer, curve);
  }
  return layers;
}

/** Columns such that rows and columns together stay few enough to draw at once. */
export const columnsFor = (width: number, rows: number) =>
    Math.max(20, Math.min(Math.round(width / 4), Math.round(300000 / Math.max(1, rows))));

function stripOf(kind: StripKind, layers: Map<string, Curve>, from: number, to: number, width: number): Strip {
  const names = [...layers.keys()], curves = names.map((layer) => layers.get(layer) ?? emptyCurve());
  const grid = heatGrid(curves, from, to, columnsFor(width, names.length), kind.log);
  const [low, high] = kind.fixed ?? [grid.low, grid.high];
  return {names, grid, scale: {low, high, log: kind.log, divided: kind.divided}, format: kind.format};
}

export function layersTab(feed: JobFeed, root: HTMLElement, scope: Scope, route: Route) {
  let kindKey = route.params.get("show") ?? "update", layer = route.params.get("layer") ?? "";
  const kindOf = () => stripKinds[kindKey] ?? stripKinds.update;
  const panel = h("div", {class: "layer-panel"}), holder = h("div"), told = h("div");
  const findings = new Findings(feed, scope, () => show(), choose);
  let strip: HeatStrip|undefined, stripScope: Scope|undefined, panelScope: Scope|undefined, growing: Growing|undefined;

  replace(
      root,
      h("div", {class: "controls"},
        select(
            "Show", Object.entries(stripKinds).map(([key, one]) => [key, one.label]), kindKey,
            (key) => {
              kindKey = key;
              remember({show: key === "update" ? "" : key});
              build();
            }),
        h("span", {class: "hint"},
          "Each row is a layer; a click opens it. A dot is a finding, where it was first seen.")),
      told, holder, findings.node, panel);

  function choose(name: string) {
    const now = parseRoute(location.hash);
    now.params.set("layer", name);
    go(address(now.path, Object.fromEntries(now.params)));
  }
  function build() {
    stripScope?.close();
    stripScope = scope.child();
    const title = kindOf().label;
    strip = new HeatStrip(
        title[0].toUpperCase() + title.slice(1), stripScope, feed.axis, choose, (id) => findings.show(id));
    growing = new Growing(feed.name, {quantities: [kindOf().quantity], maxPoints: 400}, stripScope);
    replace(holder, strip.node);
    void load();
  }
  async function load() {
    const mine = growing;
    try {
      await mine?.read(feed.axis.zoomed);
      if (mine !== growing) return;
      replace(told);
      show();
    } catch (error) {
      if (!scope.closed && mine === growing) replace(told, errorBox(error));
    }
  }
  function show() {
    if (!growing || !strip) return;
    const layers = byLayer(kindOf(), growing.curves);
    if (!layers.size)
      replace(
          told,
          h("div", {class: "box"},
            feed.job && isTerminal(feed.job) ? "No layer of this job reported this." : "Nothing reported yet. ",
            "What a layer reports depends on its kind; statistics.every_steps of the job says how often."));
    const shown = stripOf(kindOf(), layers, ...feed.axis.shown, strip.width);
    strip.show({...shown, marks: marksOf(findings.all, shown.names, ...feed.axis.shown)}, layer);
  }
  function open() {
    panelScope?.close();
    replace(panel);
    if (!layer) return;
    panelScope = scope.child();
    replace(panel, loading());
    layerPanel(feed, layer, panel, panelScope);
    show();
  }
  build();
  open();
  let at = -1;
  void scope.every(4000, async () => {
    const step = feed.job?.progress?.step ?? 0;
    if (step !== at && at >= 0) await load();
    at = step;
  }, () => {});
  scope.onClose(feed.axis.listen((change) => {
    if (change === "range") void load();
  }));

  return (now: Route) => {
    const next = now.params.get("layer") ?? "", key = now.params.get("show") ?? "update";
    if (key !== kindKey) return false;
    if (next !== layer) {
      layer = next;
      open();
      if (layer) panel.scrollIntoView({behavior: "smooth", block: "start"});
    }
    return true;
  };
}
