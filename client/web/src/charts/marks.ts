/** Findings as marks on a heat strip: at a layer, where they were first seen. Pure. */
import {Finding} from "messages";

/** A finding's place in the strip. */
export interface Mark {
  id: string;
  row: number;    // Of the strip's names.
  share: number;  // Of the shown steps, 0 to 1.
  severity: Severity;
  text: string  // What it is and why.
}

export type Severity = "critical"|"warning"|"info"|"resolved";

export const severityOf = ({severity, state}: Finding): Severity => state === "STATE_RESOLVED" ? "resolved" :
    severity === "SEVERITY_CRITICAL"                                                           ? "critical" :
    severity === "SEVERITY_WARNING"                                                            ? "warning" :
                                                                                                 "info";

/** The layer that it is about, of a tensor the one that has it; undefined: the job, its data or a split. */
export function layerOf({layer, tensor}: Finding): string|undefined {
  if (layer) return layer;
  return tensor ? tensor.slice(0, Math.max(0, tensor.lastIndexOf("."))) || tensor : undefined;
}

/** "CRITICAL dead_relu/hidden since step 40: 98 of 100 units give zero". */
export const findingText = (finding: Finding) => `${severityOf(finding).toUpperCase()} ${finding.id} ${
    finding.first_step ? `since step ${finding.first_step}` : "before the first step"}: ${finding.cause}`;

/** The findings that have a row among the names, and that began in these steps; the worst last, which lies above. Of
 *  several in one place each is moved a little to the right. */
export function marksOf(findings: Finding[], names: string[], from: number, to: number): Mark[] {
  const order: Severity[] = ["resolved", "info", "warning", "critical"], taken = new Map<string, number>();
  return findings
      .flatMap((finding) => {
        const row = names.indexOf(layerOf(finding) ?? "");
        if (row < 0 || finding.first_step < from || finding.first_step > to) return [];
        const place = `${row} ${finding.first_step}`, before = taken.get(place) ?? 0;
        taken.set(place, before + 1);
        const share = Math.min(1, (finding.first_step - from) / Math.max(1, to - from) + 0.012 * before);
        return [{id: finding.id, row, share, severity: severityOf(finding), text: findingText(finding)}];
      })
      .sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}
