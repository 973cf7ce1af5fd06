/** Any number of jobs: curves over each other, configurations beside each other, layers as a difference. */
import {Job, Quantity} from "messages";
import {isTerminal, loadSeries} from "web/app/feed";
import {Growing} from "web/app/growing";
import {errorBox} from "web/app/notice";
import {address, go, remember, Route} from "web/app/route";
import {debounce, Scope} from "web/app/scope";
import {Axis} from "web/charts/axis";
import {lineColor} from "web/charts/colors";
import {emptyCurve} from "web/charts/curve";
import {difference, heatGrid} from "web/charts/heat";
import {HeatStrip} from "web/charts/heat_strip";
import {LineChart, zoomButtons} from "web/charts/line_chart";
import {button, h, name, replace, select, slider, toggle} from "web/dom";
import {idOf, num, percent, shortPercent} from "web/format";
import {call} from "web/rpc/call";
import {differences, flatten} from "web/text/differences";
import {spanOf} from "web/views/job_curves";
import {byLayer, columnsFor, stripKinds} from "web/views/job_layers";
import {filterOf} from "web/views/jobs";
import {jobTitle, loading, stateBadge, table} from "web/views/parts";

const shownQuantities: [Quantity, string, boolean, ((value: number) => string)?][] = [
  ["QUANTITY_LOSS", "Train loss", true], ["QUANTITY_EVALUATION_LOSS", "Evaluation loss", true],
  ["QUANTITY_ACCURACY", "Train accuracy", false, (value) => percent(value)], ["QUANTITY_EVALUATION_ACCURACY", "Evaluation accuracy", false, (value) => percent(value)],
  ["QUANTITY_LEARNING_RATE", "Learning rate", true], ["QUANTITY_GRADIENT_NORM", "Gradient norm", true], ["QUANTITY_STEP_MS", "Time of a step in ms", true],
];
const most = 24;

interface One {
  job: Job;
  growing: Growing;
  color: string;
  step: number
}

export function compareView(route: Route, root: HTMLElement, scope: Scope) {
  const ids = [...new Set((route.params.get("jobs") ?? "").split(",").filter(Boolean))];
  const set = (next: string[]) => go(address(["compare"], {...Object.fromEntries(route.params), jobs: next.join(",")}));
  const told = h("div"), chosen = h("div", {class: "chips chosen"}), body = h("div");
  replace(
      root, h("div", {class: "head"}, h("h1", {}, "Compare")), h("div", {class: "controls"}, picker(ids, scope, set)),
      chosen, told, body);
  if (ids.length)
    replace(body, loading());
  else
    replace(body, h("p", {class: "empty"}, "Choose two jobs or more."));
  if (ids.length > most)
    replace(told, h("div", {class: "box warn"}, `Only the first ${most} of ${ids.length} are shown.`));
  void load(ids.slice(0, most));

  async function load(wanted: string[]) {
    const all: One[] = [];
    await Promise.all(wanted.map(async (id, i) => {
      try {
        const job = await call(
            "TrainingService/GetJob", {name: `jobs/${id}`, view: "JOB_VIEW_RESOLVED"}, {signal: scope.signal});
        const quantities = shownQuantities.map(([quantity]) => quantity);
        const growing = new Growing(job.name, {quantities, maxPoints: 500}, scope);
        await growing.read();
        all[i] = {job, growing, color: lineColor(i), step: job.progress?.step ?? 0};
      } catch (error) {
        if (!scope.closed) told.append(h("div", {}, name(id), errorBox(error)));
      }
    }));
    const jobs = all.filter(Boolean);
    replace(
        chosen,
        wanted.map(
            (id, i) =>
                h("span", {class: "chip"}, h("i", {class: "swatch", "--color": `var(${lineColor(i)})`}),
                  h("a", {href: address(["jobs", id])}, name(id)),
                  button(
                      "×", () => set(ids.filter((other) => other !== id)),
                      {class: "quiet icon", "aria-label": `Without ${id}`}))));
    if (jobs.length) show(jobs);
  }

  function show(jobs: One[]) {
    let log = route.params.get("log") === "1", smoothing = Number(route.params.get("smooth") ?? 5);
    const axis = new Axis(), grid = h("div", {class: "charts"}), standing = h("div", {}, summary(jobs));
    const charts = shownQuantities.map(
        ([quantity, title, mayLog, format]) => ({
          quantity,
          mayLog,
          chart: new LineChart(title, scope, axis, {log: false, span: 0, format, marks: format && shortPercent}, 220)
        }));
    const draw = () => {
      jobs.forEach((one) => axis.grow(one.step));
      for (const {quantity, mayLog, chart} of charts) {
        const lines = jobs.flatMap(
            (one) => [...one.growing.curves.of(quantity).values()].slice(0, 1).map(
                (curve) => ({label: idOf(one.job.name), color: one.color, curve})));
        chart.node.hidden = !lines.length;
        chart.show(lines, {
          log: log && mayLog,
          span: quantity === "QUANTITY_LEARNING_RATE" ? 0 : spanOf(smoothing, axis.shown[1] - axis.shown[0])
        });
      }
    };
    charts.forEach(({chart}) => grid.append(chart.node));
    replace(
        body, standing,
        h("div", {class: "controls"},
          toggle(
              "Log scale", log,
              (on) => {
                log = on;
                remember({log: on ? 1 : ""});
                draw();
              }),
          slider(
              "Smoothing", 0, 10, 1, smoothing, (value) => value ? String(value) : "off",
              (value) => {
                smoothing = value;
                remember({smooth: value});
                draw();
              }),
          zoomButtons(axis, scope)),
        grid, jobs.length > 1 ? layerDifference(jobs, axis, scope, route) : null, h("h2", {}, "Configurations"),
        configurations(jobs));
    draw();
    void scope.every(4000, async () => {
      const running = jobs.filter((one) => !isTerminal(one.job));
      if (!running.length) return;
      // All of them in one call; a job's curves only when it has gone on.
      const now = await call(
          "TrainingService/ListJobs",
          {filter: running.map(({job}) => `uid = "${job.uid}"`).join(" OR "), page_size: most}, {signal: scope.signal});
      for (const one of running) {
        const job = now.jobs.find(({uid}) => uid === one.job.uid);
        if (!job || (job.progress?.step ?? 0) === one.step && job.state === one.job.state) continue;
        one.job = {...job, resolved_spec: one.job.resolved_spec};
        one.step = job.progress?.step ?? 0;
        await one.growing.read();
        replace(standing, summary(jobs));
        draw();
      }
    }, () => {});
  }
}

function picker(ids: string[], scope: Scope, set: (ids: string[]) => void): HTMLElement {
  const list = h("datalist", {id: "job-names"});
  const box = h("input", {
    list: "job-names",
    placeholder: "Add a job…",
    "aria-label": "Add a job",
    spellcheck: "false",
    oninput: () => {
      suggest();
      pick();
    }
  });
  const pick = () => {
    if ([...list.options].some((option) => option.value === box.value)) set([...ids, box.value]);
  };
  box.addEventListener("change", () => {
    if (box.value.trim()) set([...ids, idOf(box.value.trim())]);
  });
  const suggest = debounce(200, () => {
    call(
        "TrainingService/ListJobs", {page_size: 20, filter: filterOf(box.value.replace(/[=<>:()"]/g, ""), "")},
        {signal: scope.signal})
        .then(
            ({jobs}) => replace(
                list,
                jobs.filter((job) => !ids.includes(idOf(job.name)))
                    .map((job) => h("option", {value: idOf(job.name)}, job.display_name))),
            () => {});
  });
  suggest();
  return h("span", {}, box, list);
}

function summary(jobs: One[]): HTMLElement {
  return table(
      ["", "job", "state", "#steps", "#train loss", "#evaluation loss", "#accuracy"],
      jobs.map(
          ({job, color}) =>
              [h("i", {class: "swatch", "--color": `var(${color})`}), jobTitle(job), stateBadge(job),
               job.progress?.step ?? 0, num(job.progress?.mean_loss ?? job.progress?.loss),
               num(job.progress?.evaluation_loss), percent(job.progress?.evaluation_accuracy)]),
      "Jobs");
}

function configurations(jobs: One[]): HTMLElement {
  const flat = jobs.map(({job}) => flatten(job.resolved_spec, "traind.v1.JobSpec")),
        paths = [...new Set(flat.flatMap((one) => [...one.keys()]))];
  const different = differences(flat), holder = h("div");
  const draw = (all: boolean, mostRows: number) => {
    const rows = all ? paths.map((path) => ({path, values: flat.map((one) => one.get(path))})) : different;
    replace(
        holder,
        rows.length ? table(
                          ["field", ...jobs.map(({job}) => idOf(job.name))],
                          rows.slice(0, mostRows)
                              .map(
                                  ({path, values}) =>
                                      [h("code", {}, path),
                                       ...values.map(
                                           (value, i) =>
                                               h("bdi",
                                                 {class: value !== values[0] ? "differs" :
                                                      i                      ? "quiet" :
                                                                               ""},
                                                 value ?? "–"))]),
                          "Configurations") :
                      h("p", {class: "empty"},
                        jobs.length > 1 ? "They are configured alike." : "Add a second job to see what differs."),
        rows.length > mostRows ? button(`All ${rows.length} rows`, () => draw(all, rows.length), {}) : null);
  };
  draw(false, 40);
  return h(
      "div", {}, h("div", {class: "controls"}, toggle("Also what is equal", false, (all) => draw(all, 40))), holder);
}

function layerDifference(jobs: One[], axis: Axis, scope: Scope, route: Route): HTMLElement {
  const ids = jobs.map(({job}) => idOf(job.name));
  const given = (key: string, fallback: number) => {
    const id = route.params.get(key);
    return id !== null && ids.includes(id) ? id : ids[fallback];
  };
  let a = given("a", 0), b = given("b", 1), key = route.params.get("show") ?? "std";
  const holder = h("div"), told = h("div"), names = ids.map((id): [string, string] => [id, id]);
  let mine: Scope|undefined;
  async function draw() {
    mine?.close();
    const own = mine = scope.child(), kind = stripKinds[key] ?? stripKinds.std;
    try {
      const [x, y] = (await Promise.all([a, b].map(
                          (id) => loadSeries(`jobs/${id}`, {quantities: [kind.quantity], maxPoints: 300}, own))))
                         .map(({curves}) => byLayer(kind, curves));
      const shared = [...x.keys()].filter((layer) => y.has(layer));
      replace(
          told,
          shared.length < Math.max(x.size, y.size) ?
              h("p", {class: "hint"},
                `Of ${x.size} and ${y.size} layers ${shared.length} have the same name; the others are not shown.`) :
              null);
      const strip = new HeatStrip(
          `${kind.label[0].toUpperCase()}${kind.label.slice(1)}: ${
              kind.log ? `${b} over ${a}, as a power of two` : `${b} less ${a}`}`,
          own, axis, () => {});
      replace(holder, strip.node);
      const columns = columnsFor(strip.width || 800, shared.length), range = axis.shown;
      const grid = (curves: typeof x) =>
          heatGrid(shared.map((layer) => curves.get(layer) ?? emptyCurve()), ...range, columns, kind.log);
      const result = difference(grid(x), grid(y), kind.log);
      strip.show(
          {
            names: shared,
            grid: result,
            scale: {low: result.low, high: result.high, log: false, divided: true},
            format: num
          },
          "");
    } catch (error) {
      if (!own.closed) replace(told, errorBox(error));
    }
  }
  scope.onClose(axis.listen((change) => {
    if (change === "range") void draw();
  }));
  void draw();
  return h(
      "section", {}, h("h2", {}, "Layers"),
      h("div", {class: "controls"},
        select(
            "Show", Object.entries(stripKinds).filter(([k]) => k !== "bad").map(([k, one]) => [k, one.label]), key,
            (value) => {
              key = value;
              remember({show: value});
              void draw();
            }),
        select(
            "From", names, a,
            (value) => {
              a = value;
              remember({a});
              void draw();
            }),
        select(
            "To", names, b,
            (value) => {
              b = value;
              remember({b});
              void draw();
            })),
      told, holder);
}
