/** All layers over all steps in one picture; a click or Enter gives a layer, one on a mark its finding. */
import {Scope} from "web/app/scope";
import {Axis} from "web/charts/axis";
import {Chart} from "web/charts/chart";
import {color, css, diverging, notFinite, sequential} from "web/charts/colors";
import {csvRow} from "web/charts/curve";
import {HeatGrid, HeatScale, shareOf} from "web/charts/heat";
import {zoomKey} from "web/charts/line_chart";
import {Mark, Severity} from "web/charts/marks";
import {Painter, textScale} from "web/charts/painter";
import {scaleOf} from "web/charts/scale";
import {button, h, replace} from "web/dom";
import {big, count, num} from "web/format";

export interface Strip {
  names: string[];
  grid: HeatGrid&{empty: Uint8Array};
  scale: HeatScale;
  marks?: Mark[];
  format: (value: number) => string
}

const top = 22, bottom = 22, right = 8;
const markColors: Record<Severity, string> = {
  critical: "--bad",
  warning: "--warn",
  info: "--accent",
  resolved: "--faint"
};

export class HeatStrip extends Chart {
  private strip: Strip|undefined;
  private row = -1;
  private readonly mark = h("div", {class: "mark", hidden: true});
  private readonly marks = h("div", {class: "finding-marks", role: "group", "aria-label": "Findings"});
  chosen = "";

  constructor(
      title: string, scope: Scope, private readonly axis: Axis, private readonly choose: (layer: string) => void,
      private readonly chooseMark: (id: string) => void = () => {}) {
    super(title, scope, 200);
    this.area.append(this.mark);
    this.area.after(this.marks);  // Not inside: what is in a picture is not read out.
    scope.onClose(axis.listen((change) => change === "cursor" ? this.read() : undefined));
    this.area.addEventListener("pointermove", (event) => this.pointAt(event));
    this.area.addEventListener("pointerleave", () => {
      this.row = -1;
      axis.point(undefined);
      this.read();
    });
    this.area.addEventListener("click", () => {
      if (this.strip && this.row >= 0) choose(this.strip.names[this.row]);
    });
    this.area.addEventListener("keydown", (event) => this.key(event));
  }

  show(strip: Strip, chosen: string) {
    this.strip = strip;
    this.chosen = chosen;
    const rows = strip.names.length;
    this.resize(top + bottom + Math.round(rows <= 40 ? rows * 20 : Math.min(640, Math.max(400, rows))));
    this.refresh();
  }

  private get left() {
    const longest = Math.max(4, ...(this.strip?.names ?? []).map((name) => name.length));
    return Math.min((longest * 6.4 + 14) * textScale(), this.width * 0.32, 190 * textScale());
  }

  protected draw(painter: Painter) {
    if (!this.strip) return;
    const {names, grid, scale} = this.strip, {left} = this, width = painter.width - left - right,
                        height = painter.height - top - bottom;
    this.legend(painter, left);
    if (!grid.rows || !(grid.low <= grid.high)) {
      painter.text(
          painter.width / 2, painter.height / 2, "nothing reported",
          {color: color("--faint"), anchor: "middle", size: 12});
      return;
    }
    painter.image(left, top, width, height, pixelsOf(grid, scale));
    const each = height / names.length, stride = Math.max(1, Math.ceil((13 * textScale()) / each));
    names.forEach((name, i) => {
      const chosen = name === this.chosen;
      if (i % stride && !chosen) return;
      const room = Math.floor((left - 10) / (6.2 * textScale())),
            text = name.length > room ? `…${name.slice(1 - room)}` : name;
      painter.text(
          left - 6, top + (i + 0.5) * each, text,
          {color: color(chosen ? "--accent" : "--muted"), anchor: "end", bold: chosen});
    });
    for (const {row, share, severity} of this.strip.marks ?? []) {
      const at = left + share * width, y = top + (row + 0.5) * each;
      painter.dot(at, y, 5.5, color("--panel"));
      painter.dot(at, y, 4, color(markColors[severity]));
    }
    const x = scaleOf(...this.axis.shown, left, painter.width - right, false, Math.max(2, width / 90));
    for (const tick of x.ticks.filter(Number.isInteger))
      painter.text(x.at(tick), painter.height - bottom / 2 + 2, big(tick), {color: color("--faint"), anchor: "middle"});
  }

  private legend(painter: Painter, left: number) {
    const {grid, scale, format} = this.strip!;
    if (!(grid.low <= grid.high)) return;
    const size = Math.max(scale.divided ? Math.max(Math.abs(scale.low), Math.abs(scale.high)) : 0, 0), width = 90;
    const [low, high] = scale.divided ? [-size, size] : [scale.low, scale.high];
    painter.text(left, 9, format(low), {color: color("--faint")});
    const from = left + 10 + format(low).length * 6.8 * textScale();
    for (let i = 0; i < width; i += 3)
      painter.rect(from + i, 4, 3.2, 10, css((scale.divided ? diverging : sequential)(i / width)));
    painter.text(from + width + 6, 9, format(high) + (scale.log ? "  log" : ""), {color: color("--faint")});
  }

  private pointAt(event: PointerEvent) {
    if (!this.strip) return;
    const box = this.area.getBoundingClientRect(), height = this.height - top - bottom;
    const row = Math.floor(((event.clientY - box.top - top) / height) * this.strip.names.length);
    this.row = row >= 0 && row < this.strip.names.length ? row : -1;
    const x = scaleOf(...this.axis.shown, this.left, this.width - right);
    const step = Math.round(x.back(event.clientX - box.left));
    this.axis.point(this.row < 0 ? undefined : Math.max(this.axis.shown[0], Math.min(this.axis.shown[1], step)));
    this.read();
  }

  private read() {
    const step = this.axis.cursor, {strip} = this;
    this.mark.hidden = this.row < 0 || !strip;
    if (!strip || this.row < 0) {
      replace(this.readout, h("span", {class: "value"}, `${count(strip?.names.length ?? 0)} rows`));
      return;
    }
    const each = (this.height - top - bottom) / strip.names.length;
    this.mark.style.setProperty("--top", `${top + this.row * each}px`);
    this.mark.style.setProperty("--size", `${Math.max(2, each)}px`);
    this.mark.style.setProperty("--from", `${this.left}px`);
    const [from, to] = this.axis.shown,
                 column = step === undefined ?
        strip.grid.columns - 1 :
        Math.max(
            0,
            Math.min(
                strip.grid.columns - 1, Math.floor(((step - from) / Math.max(1, to - from)) * strip.grid.columns)));
    const at = this.row * strip.grid.columns + column;
    replace(
        this.readout,
        h("span", {class: "value"}, h("bdi", {}, strip.names[this.row]),
          h("b", {}, strip.grid.empty[at] ? "nothing" : strip.format(strip.grid.values[at])),
          step === undefined ? null : h("small", {}, `@${count(step)}`)));
  }

  private key(event: KeyboardEvent) {
    const rows = this.strip?.names.length ?? 0;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      this.row = Math.max(0, Math.min(rows - 1, this.row + (event.key === "ArrowUp" ? -1 : 1)));
      this.read();
      if (this.strip) this.area.setAttribute("aria-label", this.readout.textContent ?? "");
    } else if (event.key === "Enter" && this.strip && this.row >= 0)
      this.choose(this.strip.names[this.row]);
    else
      zoomKey(this.axis, event);
  }

  protected drawn() {
    this.read();
    this.placeMarks();
  }

  /** A button over each mark that is painted; they are made anew only when they are others, for the keyboard is on one. */
  private placeMarks() {
    const marks = this.strip?.marks ?? [], {children} = this.marks;
    if (marks.length !== children.length || marks.some(({text}, i) => children[i].getAttribute("aria-label") !== text))
      replace(
          this.marks,
          marks.map(
              ({id, severity, text}) =>
                  button("", () => this.chooseMark(id), {class: severity, title: text, "aria-label": text})));
    const each = (this.height - top - bottom) / Math.max(1, this.strip?.names.length ?? 0),
          width = this.width - this.left - right;
    marks.forEach(({row, share}, i) => {
      const {style} = children[i] as HTMLElement;
      style.setProperty("--left", `${this.area.offsetLeft + this.left + share * width}px`);
      style.setProperty("--top", `${this.area.offsetTop + top + (row + 0.5) * each}px`);
    });
  }

  csv() {
    if (!this.strip) return "";
    const {names, grid} = this.strip, [from, to] = this.axis.shown;
    const steps = Array.from({length: grid.columns}, (_, c) => Math.round(from + (c / grid.columns) * (to - from)));
    return csvRow(["layer", ...steps]) +
        names
            .map((name, row) => csvRow([
                   name,
                   ...steps.map((_, c) => grid.empty[row * grid.columns + c] ? "" : grid.values[row * grid.columns + c])
                 ]))
            .join("");
  }

  protected describe() {
    if (!this.strip || !(this.strip.grid.low <= this.strip.grid.high)) return "Nothing reported.";
    return `${this.strip.names.length} rows over steps ${count(this.axis.shown[0])} to ${
               count(this.axis.shown[1])}, from ${num(this.strip.grid.low)} to ${num(this.strip.grid.high)}. ` +
        "Up and down choose a row, Enter opens it.";
  }
}

function pixelsOf(grid: HeatGrid&{empty: Uint8Array}, scale: HeatScale): ImageData {
  const pixels = new ImageData(grid.columns, grid.rows), paint = scale.divided ? diverging : sequential;
  for (let i = 0; i < grid.values.length; i++) {
    if (grid.empty[i]) continue;
    const value = grid.values[i], [r, g, b] = Number.isFinite(value) ? paint(shareOf(value, scale)) : notFinite;
    pixels.data.set([r, g, b, 255], 4 * i);
  }
  return pixels;
}
