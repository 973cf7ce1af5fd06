/** One job as it goes on: its state, its curves, its events. Past numbers come thinned from GetSeries, what happens now
 *  over one stream, which goes on after a broken connection, and where it gave way to another call. Memory is bounded
 *  whatever the job's length. */
import {EvaluationMetrics, Event, EventKind, Job, Quantity, StatisticsReport} from "messages";
import {Scope} from "web/app/scope";
import {Axis} from "web/charts/axis";
import {Curve, emptyCurve, extend} from "web/charts/curve";
import {call, CallError, Code} from "web/rpc/call";
import {follow, read} from "web/rpc/lane";

export const scalarQuantities: Quantity[] = [
  "QUANTITY_LOSS",
  "QUANTITY_PENALTY",
  "QUANTITY_ACCURACY",
  "QUANTITY_LEARNING_RATE",
  "QUANTITY_GRADIENT_NORM",
  "QUANTITY_STEP_MS",
  "QUANTITY_DATA_WAIT_MS",
  "QUANTITY_EXAMPLES_PER_SECOND",
  "QUANTITY_EVALUATION_LOSS",
  "QUANTITY_EVALUATION_ACCURACY",
  "QUANTITY_MEAN_LOSS",
  "QUANTITY_MEAN_ACCURACY",
  "QUANTITY_EVALUATION_MACRO_F1",
  "QUANTITY_EVALUATION_MACRO_AUC",
  "QUANTITY_EVALUATION_LOG_LOSS",
  "QUANTITY_EVALUATION_CALIBRATION_ERROR",
  "QUANTITY_EVALUATION_MEAN_ABSOLUTE_ERROR",
  "QUANTITY_EVALUATION_ROOT_MEAN_SQUARED_ERROR",
  "QUANTITY_EVALUATION_R2",
];

export const isTerminal =
    (job: Job) => ["JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"].includes(job.state);

/** Curves by quantity and, of what has several, by the name of whose they are. */
export class Curves {
  private readonly all = new Map<Quantity, Map<string, Curve>>();

  of(quantity: Quantity): Map<string, Curve> {
    let curves = this.all.get(quantity);
    if (!curves) this.all.set(quantity, curves = new Map());
    return curves;
  }
  one(quantity: Quantity, of = ""): Curve {
    const curves = this.of(quantity);
    let curve = curves.get(of);
    if (!curve) curves.set(of, curve = emptyCurve());
    return curve;
  }
  /** What came later. */
  append(later: Curves) {
    for (const [quantity, curves] of later.all)
      for (const [of, curve] of curves) {
        const known = this.of(quantity).get(of);
        if (known)
          curve.steps.forEach((step, i) => extend(known, step, curve.values[i]));
        else
          this.of(quantity).set(of, curve);
      }
  }
  get longest(): number {
    let most = 0;
    for (const curves of this.all.values())
      for (const curve of curves.values()) most = Math.max(most, curve.steps.length);
    return most;
  }
}

export interface Report {
  step: number;
  statistics: StatisticsReport
}

export interface Loaded {
  curves: Curves;
  reports: Report[];
  lastSequence: number;
  damaged: number
}

export interface Wanted {
  quantities: Quantity[];
  range?: [number, number];
  maxPoints?: number;   // Of a curve.
  layers?: string[];    // None: all.
  maxReports?: number;  // Whole ones of the layers.
  after?: number        // The event after which it begins.
}

export async function loadSeries(name: string, wanted: Wanted, scope: Scope): Promise<Loaded> {
  const {quantities, range, maxPoints = 1000, layers = [], maxReports = 0, after = 0} = wanted;
  const series = await call(
      "TrainingService/GetSeries", {
        name,
        quantities,
        layers,
        max_points: maxPoints,
        max_reports: maxReports,
        after_sequence: after,
        ...range && {first_step: Math.floor(range[0]), last_step: Math.ceil(range[1])},
      },
      {signal: scope.signal, timeoutMs: 60000});
  const curves = new Curves();
  for (const {quantity, of, steps, values, bucket_steps, total} of series.curves)
    curves.of(quantity).set(of, {steps, values, bucket_steps, total});
  const reports = series.reports.map(({step, statistics}) => ({step, statistics: statistics!}));
  return {curves, reports, lastSequence: series.last_sequence, damaged: series.damaged_events};
}

/** All that a stream sends besides statistics, which are large. */
const spoken: EventKind[] = [
  "EVENT_KIND_STATE", "EVENT_KIND_EVALUATION", "EVENT_KIND_CHECKPOINT", "EVENT_KIND_LOG", "EVENT_KIND_PREPROCESSING",
  "EVENT_KIND_DATA", "EVENT_KIND_FINDING", "EVENT_KIND_TEST"
];
const mostEvents = 2000, mostPoints = 4000;

export type Change = "job"|"curves"|"events"|"link";

export class JobFeed {
  job: Job|undefined;
  curves = new Curves();
  /** Of the zoomed range, in more detail; undefined: all is shown. */
  detail: Curves|undefined;
  readonly events: Event[] = [];
  dropped = 0;  // Events that were left out at the beginning of `events`.
  damaged = 0;  // Events that the server could not read.
  link = "";    // What is wrong with the connection; empty: nothing.
  readonly axis = new Axis();
  private sequence = 0;
  private asked = 0;  // When the job was asked for.
  private readonly listeners = new Set<(change: Change) => void>();

  constructor(readonly name: string, private readonly scope: Scope) {
    scope.onClose(this.axis.listen((change) => {
      if (change === "range") void this.zoom();
    }));
  }
  listen(listener: (change: Change) => void, scope: Scope) {
    this.listeners.add(listener);
    scope.onClose(() => this.listeners.delete(listener));
  }
  private tell(change: Change) { this.listeners.forEach((listener) => listener(change)); }

  /** Throws a CallError when there is no such job. */
  async start() {
    await this.refresh();
    void this.scope.every(2000, () => this.poll(), () => {});
    void this.follow();
  }
  /** Less often when nothing is to be expected but that somebody takes it up again. */
  private async poll() {
    if (!this.job || !isTerminal(this.job) || Date.now() - this.asked > 8000) await this.refresh();
  }
  async refresh() {
    this.asked = Date.now();
    this.job =
        await call("TrainingService/GetJob", {name: this.name, view: "JOB_VIEW_BASIC"}, {signal: this.scope.signal});
    this.axis.grow(this.job.progress?.step ?? 0);
    this.tell("job");
  }

  private setLink(text: string) {
    if (text === this.link) return;
    this.link = text;
    this.tell("link");
  }

  /** Reads the past, then goes on with what happens; begins again after a failure with growing pauses. */
  private async follow() {
    let pause = 500, known = false;
    while (!this.scope.closed) {
      try {
        if (!known) {
          const last = await this.reload();
          await this.past();  // Later: what the curves do not have yet, the stream has.
          this.sequence = Math.max(this.sequence, last);
          known = true;
        }
        this.setLink("");
        if (this.job && !(isTerminal(this.job) && this.sequence >= this.job.last_sequence))
          await this.stream(() => {
            pause = 500;
            this.setLink("");
          });
        await this.scope.sleep(this.job && isTerminal(this.job) ? 1000 : 100);
        if (document.hidden) known = false;  // Much may have come until somebody looks again: as curves it is less.
        while (document.hidden && !this.scope.closed) await this.scope.sleep(500);
      } catch (error) {
        if (this.scope.closed) return;
        if (error instanceof CallError && error.code === Code.notFound) {
          this.setLink("This job was deleted.");
          return;
        }
        pause = Math.min(10000, 2 * pause);
        this.setLink(`No connection to the server; trying again in ${Math.round(pause / 1000)} s.`);
        await this.scope.sleep(pause);
      }
    }
  }

  /** Gives the newest event that the curves have. */
  private async reload(): Promise<number> {
    const {curves, lastSequence, damaged} = await loadSeries(this.name, {quantities: scalarQuantities}, this.scope);
    this.curves = curves;
    this.damaged = damaged;
    this.growAxis();
    this.tell("curves");
    return lastSequence;
  }

  private async past() {
    const newest = this.events[this.events.length - 1];
    const request = {name: this.name, kinds: spoken, until_now: true, after_sequence: newest?.sequence ?? 0};
    for await (const {events} of read("TrainingService/WatchJob", request, this.scope.signal))
      events.forEach((event) => this.keep(event));
    this.tell("events");
  }

  private keep(event: Event) {
    const newest = this.events[this.events.length - 1];
    if (newest && event.sequence <= newest.sequence) return;
    this.events.push(event);
    if (this.events.length > mostEvents * 1.2)
      this.dropped += this.events.splice(0, this.events.length - mostEvents).length;
  }

  /** What the stream has: all but the statistics, which are large. */
  private request() {
    return {
      name: this.name,
      uid: this.job?.uid,
      after_sequence: this.sequence,
      kinds: [...spoken, "EVENT_KIND_TRAIN" as const],
    };
  }

  /** Ends when the job does, when another call of the page has its turn, or when nobody looks any more. */
  private async stream(alive: () => void) {
    const seen = this.scope.child(), look = () => {
      if (document.hidden) seen.close();
    };
    document.addEventListener("visibilitychange", look);
    try {
      for await (const {events} of follow("TrainingService/WatchJob", () => this.request(), seen.signal)) {
        alive();
        events.forEach((event) => this.hear(event));
        this.growAxis();
        this.tell("curves");
        if (events.some((event) => !event.train)) {
          this.tell("events");
          void this.refresh().catch(() => {});
        }
        if (this.curves.longest > mostPoints) await this.reload();
      }
    } catch (error) {
      if (!seen.closed) throw error;
    } finally {
      document.removeEventListener("visibilitychange", look);
      seen.close();
    }
  }

  private hear(event: Event) {
    this.sequence = Math.max(this.sequence, event.sequence);
    if (event.train)
      this.train(event);
    else
      this.keep(event);
    const metrics = event.evaluation ?? event.test;
    if (metrics) this.evaluation(event.step, metrics);
  }

  private train(event: Event) {
    const {train, timing, step} = event, add = (quantity: Quantity, value: number|undefined) => {
      if (value !== undefined) extend(this.curves.one(quantity), step, value);
    };
    add("QUANTITY_LOSS", train!.loss);
    add("QUANTITY_PENALTY", train!.penalty);
    add("QUANTITY_ACCURACY", train!.accuracy);
    add("QUANTITY_MEAN_LOSS", train!.mean_loss);
    add("QUANTITY_MEAN_ACCURACY", train!.mean_accuracy);
    add("QUANTITY_LEARNING_RATE", train!.learning_rate);
    add("QUANTITY_GRADIENT_NORM", train!.gradient_norm);
    add("QUANTITY_STEP_MS", timing?.step_ms);
    add("QUANTITY_DATA_WAIT_MS", timing?.data_wait_ms);
    add("QUANTITY_EXAMPLES_PER_SECOND", timing?.examples_per_second);
  }
  private evaluation(step: number, metrics: EvaluationMetrics) {
    const {split, classification, regression} = metrics, add = (quantity: Quantity, value: number|undefined) => {
      if (value !== undefined) extend(this.curves.one(quantity, split), step, value);
    };
    add("QUANTITY_EVALUATION_LOSS", metrics.loss);
    add("QUANTITY_EVALUATION_ACCURACY", metrics.accuracy);
    add("QUANTITY_EVALUATION_MACRO_F1", classification?.macro_f1);
    add("QUANTITY_EVALUATION_MACRO_AUC", classification?.macro_auc);
    add("QUANTITY_EVALUATION_LOG_LOSS", classification?.log_loss);
    add("QUANTITY_EVALUATION_CALIBRATION_ERROR", classification?.calibration_error);
    add("QUANTITY_EVALUATION_MEAN_ABSOLUTE_ERROR", regression?.mean_absolute_error);
    add("QUANTITY_EVALUATION_ROOT_MEAN_SQUARED_ERROR", regression?.root_mean_squared_error);
    add("QUANTITY_EVALUATION_R2", regression?.r2);
  }
  private growAxis() {
    const {steps} = this.curves.one("QUANTITY_LOSS");
    this.axis.grow(steps[steps.length - 1] ?? 0);
  }

  private async zoom() {
    const range = this.axis.zoomed;
    if (!range) {
      this.detail = undefined;
      this.tell("curves");
      return;
    }
    await this.scope.sleep(150);
    if (this.axis.zoomed !== range) return;
    try {
      const {curves} = await loadSeries(this.name, {quantities: scalarQuantities, range}, this.scope);
      if (this.axis.zoomed === range) {
        this.detail = curves;
        this.tell("curves");
      }
    } catch { /* The coarse curves stay. */
    }
  }
}
