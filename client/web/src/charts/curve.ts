/** Curves as GetSeries gives them: real values at their own steps, the extremes of each bucket among them. Pure. */

export interface Curve {
  steps: number[];
  values: number[];
  bucket_steps: number;
  total: number
}

export const emptyCurve = (): Curve => ({steps: [], values: [], bucket_steps: 1, total: 0});

/** Index of the first step that is not below `step`. */
export function lowerBound(steps: ArrayLike<number>, step: number): number {
  let low = 0, high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/** Index of the point whose step is the nearest one, or -1. */
export function nearest(curve: Curve, step: number): number {
  if (!curve.steps.length) return -1;
  const i = lowerBound(curve.steps, step);
  if (i === 0) return 0;
  return i === curve.steps.length || step - curve.steps[i - 1] <= curve.steps[i] - step ? i - 1 : i;
}

/** Smallest and largest finite value between two steps; of a log scale, of those above zero. */
export function extent(curve: Curve, from: number, to: number, positive = false): [number, number] {
  let low = Infinity, high = -Infinity;
  for (let i = lowerBound(curve.steps, from); i < curve.steps.length && curve.steps[i] <= to; i++) {
    const value = curve.values[i];
    if (!Number.isFinite(value) || positive && value <= 0) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** An exponential mean over about `span` steps, without the pull of its beginning, and with equal weight for each
 *  bucket, whatever was kept of it. It stands beside the values, never in their place. */
export function smooth(curve: Curve, span: number): Curve {
  const result: Curve = {...emptyCurve(), bucket_steps: curve.bucket_steps, total: curve.total};
  let mean = 0, weight = 0, last = NaN;
  for (let i = 0; i < curve.steps.length;) {
    const bucket = Math.floor(curve.steps[i] / curve.bucket_steps), first = curve.steps[i];
    let low = Infinity, high = -Infinity, step = first;
    for (; i < curve.steps.length && Math.floor(curve.steps[i] / curve.bucket_steps) === bucket; i++) {
      if (!Number.isFinite(curve.values[i])) continue;
      low = Math.min(low, curve.values[i]);
      high = Math.max(high, curve.values[i]);
      step = curve.steps[i];
    }
    if (low > high) continue;
    const keep = Number.isNaN(last) ? 0 : Math.exp(-Math.max(1, step - last) / Math.max(span, 1e-9));
    mean = keep * mean + (1 - keep) * (low + high) / 2;
    weight = keep * weight + (1 - keep);
    last = step;
    result.steps.push(step);
    result.values.push(mean / weight);
  }
  return result;
}

/** Adds what came after; a step that is not new is passed over. */
export function extend(curve: Curve, step: number, value: number) {
  if (curve.steps.length && step <= curve.steps[curve.steps.length - 1]) return;
  curve.steps.push(step);
  curve.values.push(value);
  curve.total++;
}

/** Cells of CSV. A text that a spreadsheet would take for a formula gets a quote before it. */
export function csvRow(cells: (string|number)[]): string {
  return cells
             .map((cell) => {
               if (typeof cell === "number") return String(cell);
               const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
               return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
             })
             .join(",") +
      "\n";
}

/** One column for each curve, one row for each step that any of them has. */
export function csvOf(curves: {label: string; curve: Curve}[], x = "step"): string {
  const steps = [...new Set(curves.flatMap(({curve}) => curve.steps))].sort((a, b) => a - b);
  const at = curves.map(() => 0);
  return csvRow([x, ...curves.map(({label}) => label)]) +
      steps
          .map((step) => csvRow([
                 step, ...curves.map(({curve}, i) => {
                   const value = curve.steps[at[i]] === step ? curve.values[at[i]++] : undefined;
                   return value ?? "";
                 })
               ]))
          .join("");
}
