/** Bars beside names, and a matrix of numbers. */
import {Chart} from "web/charts/chart";
import {color, css, sequential} from "web/charts/colors";
import {csvRow} from "web/charts/curve";
import {Painter} from "web/charts/painter";
import {h, replace} from "web/dom";
import {count, percent} from "web/format";

const fitted = (text: string, width: number, size = 6.2) =>
    text.length * size > width ? `${text.slice(0, Math.max(1, Math.floor(width / size) - 1))}…` : text;

/** Lying bars; beyond 60 the largest and how many more there are. */
export class Bars extends Chart {
  private bars: {label: string; value: number}[] = [];

  show(bars: {label: string; value: number}[]) {
    this.bars = bars;
    this.resize(Math.min(60, bars.length) * 20 + 10);
    this.refresh();
  }
  protected draw(painter: Painter) {
    const shown = this.bars.slice(0, 60), most = Math.max(1, ...shown.map((bar) => bar.value));
    const left = Math.min(painter.width * 0.35, 8 + Math.max(...shown.map((bar) => bar.label.length), 3) * 6.4),
          room = painter.width - left - 70;
    shown.forEach(({label, value}, i) => {
      const y = 6 + i * 20;
      painter.text(left - 8, y + 8, fitted(label, left - 8), {color: color("--muted"), anchor: "end"});
      painter.rect(left, y, Math.max(1, (value / most) * room), 15, color("--line1"), 0.85);
      painter.text(left + (value / most) * room + 6, y + 8, count(value), {color: color("--ink")});
    });
  }
  csv() { return csvRow(["name", "value"]) + this.bars.map(({label, value}) => csvRow([label, value])).join(""); }
  protected describe() {
    return this.bars.slice(0, 20).map(({label, value}) => `${label}: ${count(value)}`).join(", ") + ".";
  }
}

/** Rows are what is so, columns what was said. */
export class Confusion extends Chart {
  private classes: string[] = [];
  private cells: number[][] = [];
  chosen: (row: number, column: number) => void = () => {};

  show(classes: string[], cells: number[][]) {
    this.classes = classes;
    this.cells = cells;
    this.resize(Math.min(620, 40 + Math.max(120, classes.length * 30)));
    this.area.addEventListener("pointermove", (event) => this.read(event));
    this.area.addEventListener("click", (event) => {
      const at = this.cellAt(event);
      if (at) this.chosen(...at);
    });
    this.refresh();
  }
  private box(width: number, height: number) {
    const left = Math.min(width * 0.3, 12 + Math.max(...this.classes.map((name) => name.length), 2) * 6.4);
    const side = Math.min((width - left - 8) / this.classes.length, (height - 36) / this.classes.length);
    return {
      left,
      side: Math.max(1, side),
      wide: Math.max(1, Math.min((width - left - 8) / this.classes.length, side * 2.4))
    };
  }
  protected draw(painter: Painter) {
    const {left, side, wide} = this.box(painter.width, painter.height), n = this.classes.length;
    this.cells.forEach((row, i) => {
      const total = row.reduce((a, b) => a + b, 0) || 1;
      if (n <= 40 || i % Math.ceil(n / 30) === 0)
        painter.text(
            left - 8, i * side + side / 2, fitted(this.classes[i], left - 8), {color: color("--muted"), anchor: "end"});
      row.forEach((value, j) => {
        const share = value / total;
        painter.rect(
            left + j * wide, i * side, Math.max(0.5, wide - 1), Math.max(0.5, side - 1),
            css(sequential(i === j ? share : Math.min(1, share * 2))), 1);
        if (wide > 30 && side > 13 && value)
          painter.text(left + (j + 0.5) * wide, (i + 0.5) * side, count(value), {
            color: share * (i === j ? 1 : 2) > 0.5 ? color("--on-strong") : color("--ink"),
            anchor: "middle",
            bold: i === j
          });
      });
    });
    if (wide > 22)
      this.classes.forEach(
          (name, j) => painter.text(
              left + (j + 0.5) * wide, n * side + 12, fitted(name, wide - 4, 5.6),
              {color: color("--faint"), anchor: "middle", size: 10}));
    painter.text(
        left, n * side + 28, "columns: what the network says; rows: what it is", {color: color("--faint"), size: 10});
  }
  private cellAt(event: MouseEvent): [number, number]|undefined {
    const area = this.area.getBoundingClientRect(), {left, side, wide} = this.box(this.width, this.height);
    const column = Math.floor((event.clientX - area.left - left) / wide),
          row = Math.floor((event.clientY - area.top) / side);
    return this.cells[row]?.[column] === undefined ? undefined : [row, column];
  }
  private read(event: PointerEvent) {
    const at = this.cellAt(event);
    if (!at) {
      replace(this.readout);
      return;
    }
    const value = this.cells[at[0]][at[1]], total = this.cells[at[0]].reduce((a, b) => a + b, 0) || 1;
    replace(
        this.readout,
        h("span", {class: "value"}, h("bdi", {}, this.classes[at[0]]), "taken for", h("bdi", {}, this.classes[at[1]]),
          h("b", {}, count(value)), h("small", {}, percent(value / total))));
  }
  csv() {
    return csvRow(["", ...this.classes]) + this.cells.map((row, i) => csvRow([this.classes[i], ...row])).join("");
  }
  protected describe() {
    return this.classes.slice(0, 20)
               .map(
                   (name, i) =>
                       `${name}: ${percent(this.cells[i][i] / (this.cells[i].reduce((a, b) => a + b, 0) || 1))} right`)
               .join(", ") +
        ".";
  }
}
