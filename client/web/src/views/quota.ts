/** How much somebody has, of what they may have. */
import {GetQuotaResponse, Quota} from "messages";
import {Child, h} from "web/dom";
import {bytes, count} from "web/format";
import {figureOf} from "web/views/parts";

/** Name in the API, what it is, how to say it. */
export const quotas: [keyof Quota, string, (value: number) => string][] = [
  ["queued_jobs", "jobs that wait", count],
  ["running_jobs", "jobs that run", count],
  ["threads", "threads", count],
  ["memory_bytes", "memory", bytes],
  ["dataset_bytes", "datasets", bytes],
  ["model_bytes", "models", bytes],
  ["upload_bytes", "uploads", bytes],
  ["event_bytes", "events", bytes],
  ["streams", "streams", count],
  ["requests_per_second", "requests a second", count],
];
export const isBytes = (key: keyof Quota) => key.endsWith("_bytes");

/** A share as a bar with its numbers. */
export function gauge(label: string, used: number, limit: number, text: (value: number) => string): HTMLElement {
  const share = limit > 0 ? Math.min(1, used / limit) : 1;
  return h(
      "div", {class: "figure gauge"}, h("span", {class: "label"}, label),
      h("span", {class: "number"}, text(used), h("small", {}, ` of ${text(limit)}`)), h("span", {
        class: `progress ${share >= 0.9 ? "failed" : "running"}`,
        role: "meter",
        "aria-label": label,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.round(share * 100),
        "--share": `${share * 100}%`,
      }));
}

export function quotaFigures(quota: GetQuotaResponse): Child {
  const limited = quotas.filter(([key]) => Number.isFinite(quota.limits?.[key] ?? Infinity)),
        free = quotas.filter(([key]) => !Number.isFinite(quota.limits?.[key] ?? Infinity) && quota.used?.[key]);
  return [
    h("div", {class: "figures"},
      limited.map(([key, label, text]) => gauge(label, quota.used?.[key] ?? 0, quota.limits![key]!, text)),
      free.map(([key, label, text]) => figureOf(label, text(quota.used![key]!)))),
    limited.length ? null : h("p", {class: "hint"}, "Nothing is limited."),
  ];
}
