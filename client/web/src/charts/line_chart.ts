/** Curves over steps: raw values always, a smoothed line above them where one is asked for, a log scale, zoom by
 *  dragging or keys, and the values at the cursor in the caption. */
import {Scope} from "web/app/scope";
import {Axis} from "web/charts/axis";
import {Chart} from "web/charts/chart";
import {color} from "web/charts/colors";
import {csvOf, Curve, extent, nearest, smooth} from "web/charts/curve";
import {Painter, textScale} from "web/charts/painter";
import {padded, Scale, scaleOf} from "web/charts/scale";
import {button, Child, h, replace} from "web/dom";
import {big, count, num} from "web/format";

/** `color` is a variable of the style sheet. A faint line is drawn without dots and smoothing. */
export interface Line {
  label: string;
  color: string;
  curve: Curve
}

export interface LineOptions {
  log: boolean;
  span: number;
  format?: (value: number) => string;
  marks?: (value: number) => string;
  zero?: boolean
}

const right = 10, top = 8, bottom = 22;

export class LineChart extends Chart {
  private lines: Line[] = [];
  private readonly overlay = h("canvas", {class: "overlay"});
  private drag: {from: number; to: number}|undefined;
  private x: Scale = scaleOf(0, 1, 0, 1);
  private left = 52;  // Room for the numbers beside it.

  constructor(title: string, scope: Scope, private readonly axis: Axis, public options: LineOptions, height = 180) {
    super(title, scope, height);
    this.area.append(this.overlay);
    this.area.classList.add("zoomable");
    scope.onClose(axis.listen((change) => change === "cursor" ? this.drawCursor() : this.refresh()));
    this.listen();
  }

  show(lines: Line[], options: Partial<LineOptions> = {}) {
    this.lines = lines;
    this.options = {...this.options, ...options};
    this.refresh();
  }
  get isEmpty() { return this.lines.every((line) => !line.curve.steps.length); }

  protected draw(painter: Painter) {
    this.left = 52 * textScale();
    const {left} = this, [from, to] = this.axis.shown, log = this.options.log && this.canLog();
    let low = Infinity, high = -Infinity;
    for (const {curve} of this.lines) {
      const [a, b] = extent(curve, from, to, log);
      low = Math.min(low, a);
      high = Math.max(high, b);
    }
    if (this.options.zero && !log) low = Math.min(low, 0);
    const [y0, y1] = padded(low, high, log);
    const x = this.x = scaleOf(from, to, left, painter.width - right, false, Math.max(2, painter.width / 75));
    const y = scaleOf(y0, y1, painter.height - bottom, top, log, Math.max(2, painter.height / 42));
    this.grid(painter, x, y);
    painter.clip(left, 0, painter.width - left - right + 2, painter.height - bottom + 1, () => {
      for (const line of this.lines) this.drawLine(painter, line, x, y);
    });
    if (this.isEmpty)
      painter.text(
          painter.width / 2, painter.height / 2, "nothing reported yet",
          {color: color("--faint"), anchor: "middle", size: 12});
  }

  /** A log scale shows nothing where no value is above zero. */
  private canLog() {
    const [from, to] = this.axis.shown;
    return this.lines.some(({curve}) => extent(curve, from, to, true)[1] > 0);
  }

  private grid(painter: Painter, x: Scale, y: Scale) {
    const {left} = this, format = this.options.marks ?? this.options.format ?? num, ink = color("--faint");
    for (const tick of y.ticks) {
      painter.line([left, y.at(tick), painter.width - right, y.at(tick)], color("--grid"), 1);
      painter.text(left - 6, y.at(tick), format(tick), {color: ink, anchor: "end"});
    }
    for (const tick of x.ticks.filter(Number.isInteger))
      painter.text(x.at(tick), painter.height - bottom / 2 + 2, big(tick), {color: ink, anchor: "middle"});
  }

  private drawLine(painter: Painter, line: Line, x: Scale, y: Scale) {
    const ink = color(line.color), {curve} = line, floor = painter.height - bottom;
    const points = (c: Curve) => c.steps.flatMap((step, i) => {
      const value = c.values[i];
      return [x.at(step), Number.isFinite(value) && !(y.log && value <= 0) ? y.at(value) : NaN];
    });
    const smoothed = this.options.span > 0 && curve.steps.length > 3;
    const raw = points(curve);
    painter.line(raw, ink, smoothed ? 1 : 1.5, smoothed ? 0.38 : 1);
    if (smoothed) painter.line(points(smooth(curve, this.options.span)), ink, 2);
    if (curve.steps.length <= 40)
      for (let i = 0; i < raw.length; i += 2)
        if (Number.isFinite(raw[i + 1])) painter.dot(raw[i], raw[i + 1], 2.2, ink);
    const bad = color("--bad");
    curve.values.forEach((value, i) => {
      if (!Number.isFinite(value)) painter.rect(x.at(curve.steps[i]) - 1.5, floor - 8, 3, 8, bad);
    });
  }

  protected drawn() { this.drawCursor(); }

  private drawCursor() {
    const ratio = Math.min(3, window.devicePixelRatio || 1), {overlay} = this;
    overlay.width = this.width * ratio;
    overlay.height = this.height * ratio;
    const pen = overlay.getContext("2d")!;
    pen.scale(ratio, ratio);
    if (this.drag) {
      pen.fillStyle = color("--accent");
      pen.globalAlpha = 0.16;
      pen.fillRect(
          Math.min(this.drag.from, this.drag.to), top, Math.abs(this.drag.to - this.drag.from),
          this.height - top - bottom);
      pen.globalAlpha = 1;
    }
    const step = this.axis.cursor;
    if (step !== undefined) {
      pen.strokeStyle = color("--faint");
      pen.beginPath();
      pen.moveTo(this.x.at(step), top);
      pen.lineTo(this.x.at(step), this.height - bottom);
      pen.stroke();
    }
    this.read(step);
  }

  /** The values as they were reported, not smoothed, at the cursor or else the newest. */
  private read(step: number|undefined) {
    const format = this.options.format ?? num, rows = this.lines.slice(0, 8).map((line) => {
      const last = line.curve.steps.length - 1, i = step === undefined ? last : nearest(line.curve, step);
      if (i < 0) return null;
      return h(
          "span", {class: "value"}, h("i", {class: "swatch", "--color": `var(${line.color})`}),
          this.lines.length > 1 ? h("bdi", {}, line.label) : null, h("b", {}, format(line.curve.values[i])),
          step !== undefined ? h("small", {}, `@${count(line.curve.steps[i])}`) : null);
    });
    replace(this.readout, rows);
  }

  private listen() {
    const stepAt = (event: PointerEvent|MouseEvent) =>
        Math.round(this.x.back(event.clientX - this.area.getBoundingClientRect().left));
    const placeOf = (event: PointerEvent) => event.clientX - this.area.getBoundingClientRect().left;
    this.area.addEventListener("pointermove", (event) => {
      if (this.drag) this.drag.to = placeOf(event);
      this.axis.point(Math.max(this.axis.shown[0], Math.min(this.axis.shown[1], stepAt(event))));
      if (this.drag) this.drawCursor();
    });
    this.area.addEventListener("pointerleave", () => {
      if (!this.drag) this.axis.point(undefined);
    });
    this.area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      this.drag = {from: placeOf(event), to: placeOf(event)};
      this.area.setPointerCapture(event.pointerId);
    });
    const drop = (event: PointerEvent) => {
      const {drag} = this;
      this.drag = undefined;
      if (drag && event.type === "pointerup" && Math.abs(drag.to - drag.from) > 6)
        this.axis.zoom([this.x.back(drag.from), this.x.back(drag.to)]);
      else
        this.drawCursor();
    };
    this.area.addEventListener("pointerup", drop);
    this.area.addEventListener("pointercancel", drop);
    this.area.addEventListener("dblclick", () => this.axis.zoom(undefined));
    this.area.addEventListener("keydown", (event) => zoomKey(this.axis, event));
  }

  csv() { return csvOf(this.lines); }

  protected describe() {
    if (this.isEmpty) return "Nothing reported yet.";
    return this.lines.slice(0, 8)
               .filter(({curve}) => curve.steps.length)
               .map(({label, curve}) => {
                 const [low, high] = extent(curve, -Infinity, Infinity), n = curve.steps.length - 1;
                 return `${label}: ${num(curve.values[0])} at step ${count(curve.steps[0])}, ${
                     num(curve.values[n])} at step ${count(curve.steps[n])}, between ${num(low)} and ${num(high)}.`;
               })
               .join(" ") +
        " Arrow keys move along it, plus and minus zoom, 0 shows all.";
  }
}

/** What can be done with the range of charts over steps, for those who have no mouse to drag. */
export function zoomButtons(axis: Axis, scope: Scope, hint: Child = null): HTMLElement {
  const range = h("span"), all = button("Show all", () => axis.zoom(undefined), {class: "quiet"}),
        out = button("−", () => axis.zoomBy(2), {class: "quiet icon", "aria-label": "Zoom out"});
  const show = () => {
    const [from, to] = axis.shown;
    all.hidden = out.hidden = !axis.zoomed;
    replace(
        range,
        axis.zoomed ? `steps ${count(Math.round(from))} to ${count(Math.round(to))}` : "Drag over a chart to zoom.",
        hint);
  };
  scope.onClose(axis.listen((change) => {
    if (change === "range") show();
  }));
  show();
  return h(
      "span", {class: "hint zoom-hint"},
      button("+", () => axis.zoomBy(0.5), {class: "quiet icon", "aria-label": "Zoom in"}), out, range, all);
}

/** Keys of every chart over steps. */
export function zoomKey(axis: Axis, event: KeyboardEvent) {
  const [low, high] = axis.shown, by = Math.max(1, Math.round((high - low) / 100));
  const keys: Record<string, () => void> = {
    ArrowLeft: () => event.shiftKey ? axis.pan(-0.25) : axis.point(Math.max(low, (axis.cursor ?? high) - by)),
    ArrowRight: () => event.shiftKey ? axis.pan(0.25) : axis.point(Math.min(high, (axis.cursor ?? low) + by)),
    "+": () => axis.zoomBy(0.5),
    "=": () => axis.zoomBy(0.5),
    "-": () => axis.zoomBy(2),
    "0": () => axis.zoom(undefined),
    Escape: () => {
      axis.point(undefined);
      axis.zoom(undefined);
    },
  };
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
}
