/** The numbers of a heat strip: rows of layers, columns of steps. Pure. */
import {Curve, lowerBound} from "web/charts/curve";

export interface HeatGrid {
  rows: number;
  columns: number;
  values: Float64Array;
  low: number;
  high: number
}

/** Each cell is the value that is farthest from zero among those of its steps; where a cell has none, the one before
 *  goes on. NaN: not finite, or nothing yet (`empty`). */
export function heatGrid(curves: Curve[], from: number, to: number, columns: number, log: boolean): HeatGrid&
    {empty: Uint8Array} {
  const rows = curves.length, values = new Float64Array(rows * columns).fill(NaN),
        empty = new Uint8Array(rows * columns).fill(1);
  const span = Math.max(1, to - from);
  curves.forEach((curve, row) => {
    const base = row * columns;
    for (let i = Math.max(0, lowerBound(curve.steps, from) - 1); i < curve.steps.length && curve.steps[i] <= to; i++) {
      const column = Math.max(0, Math.min(columns - 1, Math.floor(((curve.steps[i] - from) / span) * columns)));
      const value = curve.values[i], at = base + column;
      if (empty[at] || !Number.isFinite(value) || Number.isFinite(values[at]) && Math.abs(value) > Math.abs(values[at]))
        values[at] = value;
      empty[at] = 0;
    }
    const last = curve.steps.length ? curve.steps[curve.steps.length - 1] : -1;
    for (let column = 1; column < columns && from + (column / columns) * span <= last; column++) {
      if (!empty[base + column] || empty[base + column - 1]) continue;
      values[base + column] = values[base + column - 1];
      empty[base + column] = 0;
    }
  });
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || log && value <= 0) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return {rows, columns, values, empty, low, high};
}

export interface HeatScale {
  low: number;
  high: number;
  log: boolean;
  divided: boolean
}

/** 0 to 1 along the colours. */
export function shareOf(value: number, {low, high, log, divided}: HeatScale): number {
  if (divided) return 0.5 + value / (2 * Math.max(Math.abs(low), Math.abs(high), 1e-300));
  if (log) return value <= 0 ? 0 : (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low) || 1);
  return (value - low) / (high - low || 1);
}

/** b less a; with a log scale, the ratio as powers of two. Where either has nothing, nothing. */
export function difference(a: HeatGrid&{empty: Uint8Array}, b: HeatGrid&{empty: Uint8Array}, log: boolean): HeatGrid&
    {empty: Uint8Array} {
  const values = new Float64Array(a.values.length), empty = new Uint8Array(a.values.length);
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const [x, y] = [a.values[i], b.values[i]];
    values[i] = log ? (x > 0 && y > 0 ? Math.log2(y / x) : NaN) : y - x;
    empty[i] = a.empty[i] || b.empty[i] || log && !(x > 0 && y > 0) ? 1 : 0;
    if (!Number.isFinite(values[i]) || empty[i]) continue;
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  return {rows: a.rows, columns: a.columns, values, empty, low, high};
}
