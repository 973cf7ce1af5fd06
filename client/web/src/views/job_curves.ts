/** Curves of a job, all over the same steps. */
import {Quantity} from "messages";
import {JobFeed} from "web/app/feed";
import {remember, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {Line, LineChart, LineOptions, zoomButtons} from "web/charts/line_chart";
import {h, replace, slider, toggle} from "web/dom";
import {big, count, milliseconds, percent, shortPercent} from "web/format";

interface Panel {
  title: string;
  lines: [Quantity, string, string][];
  options?: Partial<LineOptions>;
  mayLog?: boolean
}

/** Evaluation curves come one for each split; the label names it. Of training the running means are drawn, where there
 *  are any. */
const panels: Panel[] = [
  {
    title: "Loss",
    lines: [["QUANTITY_MEAN_LOSS", "train", "--line1"], ["QUANTITY_EVALUATION_LOSS", "", "--line2"]],
    mayLog: true
  },
  {
    title: "Accuracy",
    lines: [["QUANTITY_MEAN_ACCURACY", "train", "--line1"], ["QUANTITY_EVALUATION_ACCURACY", "", "--line2"]],
    options: {format: (value) => percent(value), marks: shortPercent}
  },
  {title: "F1, mean of the classes", lines: [["QUANTITY_EVALUATION_MACRO_F1", "", "--line2"]]},
  {title: "AUC, mean of the classes", lines: [["QUANTITY_EVALUATION_MACRO_AUC", "", "--line2"]]},
  {title: "Log loss", lines: [["QUANTITY_EVALUATION_LOG_LOSS", "", "--line2"]], mayLog: true},
  {
    title: "Calibration error",
    lines: [["QUANTITY_EVALUATION_CALIBRATION_ERROR", "", "--line2"]],
    options: {zero: true}
  },
  {title: "Mean absolute error", lines: [["QUANTITY_EVALUATION_MEAN_ABSOLUTE_ERROR", "", "--line2"]], mayLog: true},
  {
    title: "Root mean squared error",
    lines: [["QUANTITY_EVALUATION_ROOT_MEAN_SQUARED_ERROR", "", "--line2"]],
    mayLog: true
  },
  {title: "R²", lines: [["QUANTITY_EVALUATION_R2", "", "--line2"]]},
  {
    title: "Learning rate",
    lines: [["QUANTITY_LEARNING_RATE", "rate", "--line3"]],
    options: {zero: true, span: 0},
    mayLog: true
  },
  {title: "Gradient norm", lines: [["QUANTITY_GRADIENT_NORM", "before clipping", "--line4"]], mayLog: true},
  {title: "Penalty", lines: [["QUANTITY_PENALTY", "penalty", "--line5"]], mayLog: true},
  {
    title: "Time of a step",
    lines: [["QUANTITY_STEP_MS", "step", "--line6"], ["QUANTITY_DATA_WAIT_MS", "of it waiting for data", "--line7"]],
    options: {zero: true, format: milliseconds}
  },
  {
    title: "Examples per second",
    lines: [["QUANTITY_EXAMPLES_PER_SECOND", "examples per s", "--line8"]],
    options: {zero: true, format: big}
  },
];

/** What jobs before version 0.3 have in place of running means. */
const minibatchOf: Partial<Record<Quantity, Quantity>> = {
  QUANTITY_MEAN_LOSS: "QUANTITY_LOSS",
  QUANTITY_MEAN_ACCURACY: "QUANTITY_ACCURACY"
};

/** Steps over which the smoothed line takes its mean: a share of what there is, on a scale that begins slowly. */
export const spanOf = (smoothing: number, steps: number) => smoothing === 0 ? 0 : steps * 0.1 * (smoothing / 10) ** 2;

export function curvesTab(feed: JobFeed, root: HTMLElement, scope: Scope, route: Route) {
  let log = route.params.get("log") === "1", smoothing = Number(route.params.get("smooth") ?? 4);
  const damaged = h("span"), grid = h("div", {class: "charts"});
  const charts = panels.map(
      (panel) =>
          ({panel, chart: new LineChart(panel.title, scope, feed.axis, {log: false, span: 0, ...panel.options}, 210)}));
  const zoomFrom = route.params.get("from"), zoomTo = route.params.get("to");

  replace(root, h("div", {class: "controls"}, toggle("Log scale", log, (on) => {
                    log = on;
                    remember({log: on ? 1 : ""});
                    show();
                  }), slider("Smoothing", 0, 10, 1, smoothing, (value) => value ? String(value) : "off", (value) => {
                    smoothing = value;
                    remember({smooth: value});
                    show();
                  }), zoomButtons(feed.axis, scope, damaged)), grid);
  charts.forEach(({chart}) => grid.append(chart.node));

  function linesOf(panel: Panel): Line[] {
    const source = feed.axis.zoomed && feed.detail || feed.curves;
    const ofJob = (quantity: Quantity) => {
      const curve = source.one(quantity), minibatch = minibatchOf[quantity];
      return curve.steps.length || !minibatch ? curve : source.one(minibatch);
    };
    return panel.lines.flatMap(([quantity, label, color]) => label ? [{label, color, curve: ofJob(quantity)}] : [
      ...source.of(quantity)
    ].map(([split, curve], i) => ({label: split || "evaluation", color: i ? "--line5" : color, curve})));
  }
  function show() {
    const [from, to] = feed.axis.shown;
    for (const {panel, chart} of charts) {
      const lines = linesOf(panel).filter((line) => line.curve.steps.length);
      const idle = panel.title === "Penalty" && lines.every((line) => line.curve.values.every((value) => value === 0));
      chart.node.hidden = idle || !lines.length && !["Loss", "Gradient norm"].includes(panel.title);
      chart.show(
          lines, {log: log && !!panel.mayLog, span: panel.options?.span === 0 ? 0 : spanOf(smoothing, to - from)});
    }
    replace(
        damaged,
        feed.damaged ? ` ${count(feed.damaged)} events are damaged in the server's store and missing here.` : null);
  }
  scope.onClose(feed.axis.listen((change) => {
    if (change !== "range") return;
    const range = feed.axis.zoomed;
    remember({from: range ? Math.round(range[0]) : "", to: range ? Math.round(range[1]) : ""});
    show();
  }));
  feed.listen((change) => {
    if (change === "curves") show();
  }, scope);
  show();
  if (zoomFrom && zoomTo) feed.axis.zoom([Number(zoomFrom), Number(zoomTo)]);
}
