/** What a job has said, newest first. */
import {EvaluationMetrics, Event} from "messages";
import {JobFeed} from "web/app/feed";
import {remember, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {download, fileName} from "web/charts/chart";
import {csvRow} from "web/charts/curve";
import {button, h, replace, select} from "web/dom";
import {bytes, count, dateTime, idOf, num, percent, stateText, timeOfDay} from "web/format";

function evaluationText(metrics: EvaluationMetrics): string {
  const {split, examples, loss, accuracy, best, best_metric, best_metric_value, weights_step} = metrics;
  const shown = ["", "loss", "accuracy"].includes(best_metric) || best_metric_value === undefined;
  return `${accuracy === undefined ? "" : `accuracy ${percent(accuracy)}, `}loss ${num(loss)} on ${split} (${
      count(examples)} examples)${shown ? "" : `, ${best_metric} ${num(best_metric_value)}`}${
      best ? ", the best so far" :
             ""}${weights_step === undefined ? "" : `, with the weights of step ${count(weights_step)}`}`;
}

/** Kind, and what to say of it. */
export function eventText(event: Event): [string, string] {
  if (event.state)
    return [
      "state",
      [stateText(event.state.state).toUpperCase(), event.state.reason, event.state.error?.message].filter(Boolean).join(
          ": ")
    ];
  if (event.evaluation) return ["evaluation", evaluationText(event.evaluation)];
  if (event.test) return ["TEST", evaluationText(event.test)];
  if (event.checkpoint)
    return [
      "checkpoint",
      `${idOf(event.checkpoint.name)} saved, ${bytes(event.checkpoint.size_bytes)}${
          event.checkpoint.best ? ", the best so far" : ""}`
    ];
  if (event.log) return [event.log.level.replace("LEVEL_", "").toLowerCase(), event.log.text];
  if (event.preprocessing?.before && event.preprocessing.after) {
    const say = (m: {mean_min: number; mean_max: number}) => `means ${num(m.mean_min)} to ${num(m.mean_max)}`;
    return ["data", `${say(event.preprocessing.before)} before preprocessing, ${say(event.preprocessing.after)} after`];
  }
  if (event.finding) {
    const {id, severity, state, cause, root, fix} = event.finding;
    if (state === "STATE_RESOLVED") return ["info", `resolved: ${id}`];
    const kind = {SEVERITY_CRITICAL: "error", SEVERITY_WARNING: "warning"}[severity as string] ?? "info";
    return [kind, `${id}: ${cause}${root ? `, because of ${root}` : fix?.words ? `; ${fix.words}` : ""}`];
  }
  if (event.data) {
    const {examples, mean, std} = event.data;
    return ["data", `${count(examples)} examples, as the network sees them: mean ${num(mean)}, deviation ${num(std)}`];
  }
  return ["other", ""];
}

const kinds: [string, string][] = [
  ["", "everything"], ["state", "states"], ["evaluation", "evaluations"], ["TEST", "tests"],
  ["checkpoint", "checkpoints"], ["log", "log lines"], ["problem", "warnings and errors"]
];

export function eventsTab(feed: JobFeed, root: HTMLElement, scope: Scope, route: Route) {
  let only = route.params.get("only") ?? "";
  const list = h("ol", {class: "events"}), told = h("p", {class: "hint"});
  const wanted = (kind: string) => !only ||
      (only === "log"         ? ["info", "warning", "error"].includes(kind) :
           only === "problem" ? ["warning", "error"].includes(kind) :
                                kind === only);
  function show() {
    const lines = feed.events.map((event) => ({event, text: eventText(event)})).filter(({text}) => wanted(text[0]));
    replace(
        list,
        lines.slice(-500).reverse().map(
            ({event, text: [kind, text]}) =>
                h("li", {class: kind},
                  h("time", {title: event.time ? dateTime(event.time) : ""}, event.time ? timeOfDay(event.time) : ""),
                  h("span", {class: "step"}, count(event.step)), h("span", {class: "kind"}, kind),
                  h("bdi", {class: "text"}, text))));
    const left = Math.max(0, lines.length - 500) + feed.dropped;
    told.textContent = left ? `${count(left)} older ones are not shown; "trainctl logs ${idOf(feed.name)}" has all.` :
        lines.length ? "" :
                       "Nothing yet.";
  }
  const csv = () => csvRow(["time", "step", "kind", "text"]) +
      feed.events
          .map((event) => csvRow([
                 event.time ? new Date(event.time.seconds * 1000).toISOString() : "", event.step, ...eventText(event)
               ]))
          .join("");
  replace(
      root,
      h("div", {class: "controls"},
        select(
            "Show", kinds, only,
            (value) => {
              only = value;
              remember({only});
              show();
            }),
        button("CSV", () => download(`${fileName(idOf(feed.name))}-events.csv`, "text/csv", csv()), {class: "quiet"})),
      list, told);
  feed.listen((change) => {
    if (change === "events") show();
  }, scope);
  show();
}
