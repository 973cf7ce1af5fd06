/** Numbers, sizes, times and shapes for people. */
import {Duration, Timestamp} from "messages";

/** Four digits, as short as they can be. */
export function num(value: number|undefined): string {
  if (value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2).replace(/\.?0*e\+?/, "e") :
                                                            String(Number(value.toPrecision(4)));
  return text.replace("-", "−").replace("e-", "e−");
}

const whole = new Intl.NumberFormat("en-US", {maximumFractionDigits: 0});
export const count = (value: number) => whole.format(value);

/** 21,400 as 21.4 k. */
export function big(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < 4) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}

export const bytes = (value: number) => `${big(value)}B`.replace(/(\d)B/, "$1 B").replace(" kB", " kB");
export const percent = (share: number|undefined, digits = 1) =>
    share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`;
/** For the marks beside a chart. */
export const shortPercent = (share: number) => `${Number((100 * share).toFixed(2))} %`;
export const shape = (dims: number[]) => dims.join(" × ");
export const plural = (n: number, one: string) => `${count(n)} ${
    n === 1               ? one :
        one.endsWith("s") ? one + "es" :
                            one + "s"}`;

export const seconds = (time: Duration|Timestamp) => time.seconds + time.nanos / 1e9;

export function duration(value: number): string {
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const s = Math.round(value), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (!m) return `${s} s`;
  if (!h) return `${m} min ${s % 60} s`;
  return d ? `${d} d ${h % 24} h` : `${h} h ${m % 60} min`;
}

/** A few milliseconds as such, more of them as seconds. */
export const milliseconds = (value: number) =>
    value < 1000 ? `${Number(value.toPrecision(3))} ms` : `${Number((value / 1000).toPrecision(3))} s`;

export function ago(time: Timestamp|undefined, now = Date.now()): string {
  if (!time) return "–";
  const past = now / 1000 - time.seconds;
  if (past < 60) return "just now";
  return past < 86400 ? `${past < 3600 ? `${Math.floor(past / 60)} min` : `${Math.floor(past / 3600)} h`} ago` :
                        dateTime(time);
}

const dates = new Intl.DateTimeFormat(
    "sv-SE", {year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit"});
const clock = new Intl.DateTimeFormat("sv-SE", {hour: "2-digit", minute: "2-digit", second: "2-digit"});
/** In the zone of the person who looks. */
export const dateTime = (time: Timestamp) => dates.format(new Date(time.seconds * 1000));
export const timeOfDay = (time: Timestamp) => clock.format(new Date(time.seconds * 1000));

/** "jobs/cnn" -> "cnn". */
export const idOf = (resource: string) => resource.slice(resource.lastIndexOf("/") + 1);
/** "JOB_STATE_RUNNING" -> "running". */
export const stateText = (state: string) => state.replace(/^(JOB|OPERATION)_STATE_/, "").toLowerCase();
