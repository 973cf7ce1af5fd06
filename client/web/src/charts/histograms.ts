/** Histograms: over time as a ridge, and one by itself. */
import {Histogram} from "messages";
import {Scope} from "web/app/scope";
import {Chart} from "web/charts/chart";
import {color, css, sequential} from "web/charts/colors";
import {csvRow} from "web/charts/curve";
import {Painter} from "web/charts/painter";
import {scaleOf} from "web/charts/scale";
import {h, replace} from "web/dom";
import {count, num, percent} from "web/format";

export interface Dated {
  step: number;
  histogram: Histogram
}

/** Where the middle `share` of all values lies, over all histograms. */
export function middle(histograms: Histogram[], share: number): [number, number] {
  let low = Infinity, high = -Infinity;
  for (const one of histograms) {
    const total = one.counts.reduce((sum, n) => sum + n, 0), width = (one.high - one.low) / (one.counts.length || 1);
    if (!total) continue;
    let before = 0, first = 0, last = one.counts.length - 1;
    while (first < last && before + one.counts[first] < total * (1 - share) / 2) before += one.counts[first++];
    before = 0;
    while (last > first && before + one.counts[last] < total * (1 - share) / 2) before += one.counts[last--];
    low = Math.min(low, one.low + first * width);
    high = Math.max(high, one.low + (last + 1) * width);
  }
  return low < high ? [low, high] : Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
}

/** The count that is as tall as there is room. One bin that towers over all others, such as the zeros behind a relu, is
 *  cut off, so that the others are seen; what it holds is told beside it. */
export function tallest(counts: number[]): {count: number; cut: number} {
  const [most, second = 0] = counts.length ? [...counts].sort((a, b) => b - a) : [1];
  if (second === 0 || most <= 3 * second) return {count: Math.max(1, most), cut: 0};
  return {count: 1.3 * second, cut: most / counts.reduce((sum, n) => sum + n, 0)};
}

/** Outline of the densities as x, y pairs; the tallest is `height` tall. */
function outline(one: Histogram, x: (value: number) => number, base: number, height: number): number[] {
  const width = (one.high - one.low) / (one.counts.length || 1), most = tallest(one.counts).count;
  const points = [x(one.low), base];
  one.counts.forEach((n, i) => points.push(x(one.low + (i + 0.5) * width), base - Math.min(1, n / most) * height));
  points.push(x(one.high), base);
  return points;
}

/** The newest in front. Each has its own height, so that a narrow one does not flatten the others. */
export class Ridge extends Chart {
  private rows: Dated[] = [];
  private cursor: number|undefined;

  constructor(title: string, scope: Scope) {
    super(title, scope, 400);
    this.area.addEventListener("pointermove", (event) => {
      const box = this.area.getBoundingClientRect(),
            place = (event.clientY - box.top - 46) / Math.max(1, this.height - 46 - 24);
      this.point(Math.round(place * (this.rows.length - 1)));
    });
    this.area.addEventListener("pointerleave", () => this.point(undefined));
    this.area.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      event.preventDefault();
      this.point((this.cursor ?? this.rows.length - 1) + (event.key === "ArrowUp" ? -1 : 1));
    });
  }

  show(rows: Dated[]) {
    this.rows = rows;
    this.refresh();
  }
  private point(row: number|undefined) {
    const next = row === undefined ? undefined : Math.max(0, Math.min(this.rows.length - 1, row));
    if (next !== this.cursor) {
      this.cursor = next;
      this.refresh();
    }
  }

  protected draw(painter: Painter) {
    const left = 52, bottom = painter.height - 24, crest = 44, {rows} = this;
    if (!rows.length) {
      painter.text(
          painter.width / 2, painter.height / 2, "no histogram yet",
          {color: color("--faint"), anchor: "middle", size: 12});
      return;
    }
    const [low, high] = middle(rows.map((row) => row.histogram), 0.998);
    const x = scaleOf(low, high, left, painter.width - 12, false, Math.max(2, painter.width / 90));
    for (const tick of x.ticks) {
      painter.line([x.at(tick), 6, x.at(tick), bottom], color("--grid"), 1);
      painter.text(x.at(tick), painter.height - 10, num(tick), {color: color("--faint"), anchor: "middle"});
    }
    const base = (i: number) => rows.length === 1 ? bottom : 46 + (i / (rows.length - 1)) * (bottom - 46);
    painter.clip(left, 0, painter.width - left - 11, bottom + 1, () => rows.forEach(({histogram}, i) => {
      const points = outline(histogram, x.at, base(i), crest), strong = i === (this.cursor ?? -1);
      painter.polygon(
          points, strong ? color("--accent") : css(sequential(0.25 + 0.6 * i / Math.max(1, rows.length - 1))), 0.92);
      painter.line(points, color("--paper"), 1);
    }));
    const stride = Math.max(1, Math.ceil(rows.length / ((bottom - 46) / 16)));
    rows.forEach(({step}, i) => {
      if (i % stride === 0 || i === this.cursor)
        painter.text(
            left - 6, base(i), count(step),
            {color: color(i === this.cursor ? "--accent" : "--faint"), anchor: "end", bold: i === this.cursor});
    });
  }
  protected drawn() {
    const row = this.rows[this.cursor ?? this.rows.length - 1];
    if (row)
      replace(
          this.readout,
          h("span", {class: "value"}, "from", h("b", {}, num(row.histogram.low)), "to",
            h("b", {}, num(row.histogram.high)), h("small", {}, `@${count(row.step)}`)));
  }
  csv() {
    return csvRow(["step", "low", "high", "counts"]) +
        this.rows.map(({step, histogram}) => csvRow([step, histogram.low, histogram.high, ...histogram.counts]))
            .join("");
  }
  protected describe() {
    const last = this.rows[this.rows.length - 1];
    return last ? `${this.rows.length} histograms up to step ${count(last.step)}, the last from ${
                      num(last.histogram.low)} to ${num(last.histogram.high)}.` :
                  "No histogram yet.";
  }
}

/** One histogram, with what to call it. */
export class HistogramChart extends Chart {
  private histogram: Histogram|undefined;
  private range: [number, number] = [0, 1];

  show(histogram: Histogram|undefined, range: [number, number]) {
    this.histogram = histogram;
    this.range = range;
    this.refresh();
  }
  protected draw(painter: Painter) {
    if (!this.histogram) return;
    const bottom = painter.height - 20,
          x = scaleOf(...this.range, 8, painter.width - 8, false, Math.max(2, painter.width / 60));
    for (const tick of x.ticks)
      painter.text(x.at(tick), painter.height - 8, num(tick), {color: color("--faint"), anchor: "middle", size: 10});
    const one = this.histogram, width = (one.high - one.low) / (one.counts.length || 1),
          {count: most, cut} = tallest(one.counts);
    painter.clip(8, 0, painter.width - 16, bottom, () => one.counts.forEach((n, i) => {
      const from = x.at(one.low + i * width), to = one.high > one.low ? x.at(one.low + (i + 1) * width) : from + 3;
      const height = Math.min(1, n / most) * (bottom - 6), wide = Math.max(1.2, to - from + 0.3);
      if (n) painter.rect(from, bottom - height, wide, height, color("--line1"));
      if (n > most) {
        painter.line([from - 3, 17, from + wide + 3, 13], color("--panel"), 3);
        painter.text(from + wide + 4, 10, `${percent(cut, 0)} here`, {color: color("--faint"), size: 10});
      }
    }));
    painter.line([8, bottom, painter.width - 8, bottom], color("--edge"), 1);
  }
  csv() {
    const one = this.histogram;
    if (!one) return "";
    const width = (one.high - one.low) / (one.counts.length || 1);
    return csvRow(["from", "to", "count"]) +
        one.counts.map((n, i) => csvRow([one.low + i * width, one.low + (i + 1) * width, n])).join("");
  }
  protected describe() {
    return this.histogram ? `Values from ${num(this.histogram.low)} to ${num(this.histogram.high)}.` : "Empty.";
  }
}
