/** Pieces that several views have. */
import {Job} from "messages";
import {address} from "web/app/route";
import {color} from "web/charts/colors";
import {Curve, extent} from "web/charts/curve";
import {CanvasPainter} from "web/charts/painter";
import {padded, scaleOf} from "web/charts/scale";
import {Child, h, name} from "web/dom";
import {count, duration, idOf, num, seconds, stateText} from "web/format";

export const jobAddress = (jobName: string) => address(["jobs", idOf(jobName)]);

export function stateBadge(job: Job): HTMLElement {
  const state = stateText(job.state);
  return h("span", {class: `state ${state}`, title: job.state_reason || state}, h("i", {class: "dot"}), state);
}

export function progressBar(job: Job): HTMLElement {
  const {step = 0, total_steps: total = 0} = job.progress ?? {}, share = total ? step / total : 0;
  return h("span", {
    class: `progress ${stateText(job.state)}`,
    role: "progressbar",
    "aria-valuenow": Math.round(share * 100),
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-label": `step ${count(step)} of ${count(total)}`,
    "--share": `${share * 100}%`,
  });
}

export function progressText(job: Job): string {
  const {step = 0, total_steps: total = 0, remaining} = job.progress ?? {};
  const eta = remaining && job.state === "JOB_STATE_RUNNING" ? `, ${duration(seconds(remaining))} left` : "";
  return `${count(step)} / ${count(total)}${eta}`;
}

/** Why a job waits, in one line. */
export function queueText(job: Job): string {
  if (!job.queue) return "";
  return job.queue.place ? `place ${job.queue.place}: ${job.queue.reason}` : job.queue.reason;
}

export function labelChips(
    labels: Map<string, string>, onchoose?: (key: string, value: string) => void): HTMLElement[] {
  return [...labels].map(([key, value]) => {
    const text = value ? `${key}=${value}` : key;
    return onchoose ?
        h("button",
          {type: "button", class: "chip", title: `Only those with ${text}`, onclick: () => onchoose(key, value)},
          h("bdi", {}, text)) :
        h("span", {class: "chip"}, h("bdi", {}, text));
  });
}

/** A curve as small as a word. */
export function sparkline(canvas: HTMLCanvasElement, curve: Curve|undefined) {
  const width = canvas.clientWidth || 110, height = canvas.clientHeight || 26;
  const painter = new CanvasPainter(canvas, width, height);
  canvas.setAttribute("role", "img");
  if (!curve?.steps.length) {
    canvas.setAttribute("aria-label", "no curve yet");
    return;
  }
  const last = curve.steps[curve.steps.length - 1], [low, high] = extent(curve, 0, last);
  const log = low > 0 && high / low > 20, x = scaleOf(curve.steps[0], last, 2, width - 4),
        y = scaleOf(...padded(low, high, log), height - 2, 2, log);
  painter.line(
      curve.steps.flatMap((step, i) => [x.at(step), Number.isFinite(curve.values[i]) ? y.at(curve.values[i]) : NaN]),
      color("--line1"), 1.4);
  const value = curve.values[curve.values.length - 1];
  if (Number.isFinite(value)) painter.dot(x.at(last), y.at(value), 2, color("--line1"));
  canvas.setAttribute("aria-label", `loss from ${num(curve.values[0])} to ${num(value)}`);
}

/** A number with what it is. */
export function figureOf(label: string, value: Child, extra: Child = null): HTMLElement {
  return h(
      "div", {class: "figure"}, h("span", {class: "label"}, label), h("span", {class: "number"}, value),
      extra && h("span", {class: "extra"}, extra));
}

export function jobTitle(job: Job): HTMLElement {
  return h(
      "span", {class: "job-title"}, h("a", {href: jobAddress(job.name)}, name(job.display_name || idOf(job.name))),
      job.display_name ? h("small", {}, name(idOf(job.name))) : null);
}

export const loading = (text = "Loading…") => h("p", {class: "loading", role: "status"}, text);

/** A table: captions, then rows of cells. Numbers stand right when their caption begins with "#". */
export function table(captions: string[], rows: Child[][], label: string): HTMLElement {
  const right = captions.map((caption) => caption.startsWith("#"));
  return h(
      "div", {class: "scroll", tabindex: 0, role: "region", "aria-label": label},
      h("table", {},
        h("thead", {},
          h("tr", {},
            captions.map(
                (caption, i) =>
                    h("th", {scope: "col", class: right[i] ? "right" : undefined}, caption.replace(/^#/, ""))))),
        h("tbody", {},
          rows.map(
              (row) => h("tr", {}, row.map((cell, i) => h("td", {class: right[i] ? "right" : undefined}, cell)))))));
}
