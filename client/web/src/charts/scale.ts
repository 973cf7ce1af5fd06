/** From numbers to places on a chart, and the marks beside it. Pure. */

export interface Scale {
  at(value: number): number;
  back(place: number): number;
  ticks: number[];
  log: boolean
}

/** Round steps of 1, 2 or 5. */
export function linearTicks(low: number, high: number, most: number): number[] {
  const raw = (high - low) / Math.max(1, most);
  if (!(raw > 0) || !Number.isFinite(raw)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw)),
        step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999)!;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function logTicks(low: number, high: number, most: number): number[] {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const stride = Math.max(1, Math.ceil((last - first) / Math.max(1, most)));
  const fine = last - first <= 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let p = first; p <= last; p += stride)
    for (const m of fine) ticks.push(Number((m * 10 ** p).toPrecision(12)));
  const inside = ticks.filter((t) => t >= low * 0.999 && t <= high * 1.001);
  return inside.length >= 2 ? inside : linearTicks(low, high, most).filter((t) => t > 0);
}

/** Values low to high at places from to to. A log scale needs numbers above zero. */
export function scaleOf(low: number, high: number, from: number, to: number, log = false, mostTicks = 5): Scale {
  const f = log ? Math.log10 : (v: number) => v, g = log ? (v: number) => 10 ** v : (v: number) => v;
  const a = f(low), b = f(high), span = b - a || 1;
  return {
    at: (value) => from + ((f(value) - a) / span) * (to - from),
    back: (place) => g(a + ((place - from) / (to - from)) * span),
    ticks: log ? logTicks(low, high, mostTicks) : linearTicks(low, high, mostTicks),
    log,
  };
}

/** A little more than the numbers need; never empty. */
export function padded(low: number, high: number, log: boolean): [number, number] {
  if (!(low <= high)) return log ? [0.1, 1] : [0, 1];
  if (log) return low === high ? [low / 2, high * 2] : [low / (high / low) ** 0.04, high * (high / low) ** 0.04];
  const pad = low === high ? Math.abs(low) * 0.1 || 0.5 : (high - low) * 0.05;
  return [low >= 0 && low - pad < 0 ? 0 : low - pad, high + pad];
}
