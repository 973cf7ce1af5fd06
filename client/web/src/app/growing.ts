/** Curves, and whole reports of layers, that grow with their job: all of them at first, then what has come since. */
import {Curves, loadSeries, Report, Wanted} from "web/app/feed";
import {Scope} from "web/app/scope";

/** Every second one goes when there are too many: the memory is bounded, the first and the newest stay. */
export function thin<T>(rows: T[], most: number): T[] {
  return rows.length <= most ? rows : rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1);
}

export class Growing {
  curves = new Curves();
  reports: Report[] = [];
  private after = 0;
  private range: [number, number]|undefined;
  private last = Promise.resolve();

  constructor(
      private readonly job: string, private readonly wanted: Wanted&{maxPoints: number},
      private readonly scope: Scope) {}

  /** Reads what is new; all anew for another range, or when there is more than a picture needs. One after the other. */
  read(range?: [number, number]): Promise<void> {
    return this.last = this.last.catch(() => {}).then(() => this.readNow(range));
  }
  private async readNow(range?: [number, number]) {
    const {maxPoints, maxReports = 0} = this.wanted;
    const anew = String(range) !== String(this.range) || this.curves.longest > 4 * maxPoints;
    const after = anew ? 0 : this.after;
    const {curves, reports, lastSequence} = await loadSeries(this.job, {...this.wanted, range, after}, this.scope);
    if (!after) [this.curves, this.reports] = [new Curves(), []];
    this.curves.append(curves);
    this.reports.push(...reports);
    if (this.reports.length > 2 * maxReports) this.reports = thin(this.reports, maxReports);
    [this.after, this.range] = [lastSequence, range];
  }
}
