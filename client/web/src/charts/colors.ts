/** Colours: those of the theme, which the style sheet says, and scales from number to colour. */

let known = new Map<string, string>();
const listeners = new Set<() => void>();

/** The value of a variable of the style sheet, "--ink". */
export function color(variable: string): string {
  let value = known.get(variable);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(variable).trim() || "#888";
    known.set(variable, value);
  }
  return value;
}

/** Lines of one chart: eight that are told apart also without seeing red and green; a ninth is the first again. */
export const lineColor = (index: number) => `--line${(index % 8) + 1}`;

export function themeChanged() {
  known = new Map();
  listeners.forEach((listener) => listener());
}
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export const isDark = () => color("--scheme") === "dark";

type Rgb = [number, number, number];

function ramp(stops: Rgb[], share: number): Rgb {
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1), i = Math.min(stops.length - 2, Math.floor(place)),
        t = place - i;
  return stops[i].map((from, c) => Math.round(from + (stops[i + 1][c] - from) * t)) as Rgb;
}

const light: Rgb[] = [[240, 245, 241], [198, 222, 214], [134, 187, 182], [74, 142, 147], [36, 93, 108], [20, 48, 66]];
const dark: Rgb[] = [[27, 34, 40], [29, 58, 68], [36, 93, 100], [74, 142, 137], [150, 196, 165], [246, 236, 190]];
const lightDivided: Rgb[] = [[32, 92, 138], [120, 170, 203], [244, 244, 240], [226, 164, 110], [164, 74, 32]];
const darkDivided: Rgb[] = [[122, 186, 232], [58, 102, 138], [28, 33, 38], [140, 88, 46], [244, 172, 110]];

/** Little to much. */
export const sequential = (share: number): Rgb => ramp(isDark() ? dark : light, share);
/** Below and above: 0, 0.5 in the middle, 1. */
export const diverging = (share: number): Rgb => ramp(isDark() ? darkDivided : lightDivided, share);
/** NaN and infinite numbers are seen at once. */
export const notFinite: Rgb = [214, 40, 110];
export const css = ([r, g, b]: Rgb) => `rgb(${r} ${g} ${b})`;
