/** The steps that all charts of a view show, and the one that is pointed at: zoom and hover are linked over all. */
export class Axis {
  private range_: [number, number]|undefined;
  private cursor_: number|undefined;
  private readonly listeners = new Set<(change: "range"|"cursor"|"full") => void>();
  full: [number, number] = [0, 1];

  /** What is shown. */
  get shown(): [number, number] { return this.range_ ?? this.full; }
  get zoomed() { return this.range_; }
  get cursor() { return this.cursor_; }

  listen(listener: (change: "range"|"cursor"|"full") => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  private tell(change: "range"|"cursor"|"full") { this.listeners.forEach((listener) => listener(change)); }

  grow(last: number) {
    if (last <= this.full[1]) return;
    this.full = [this.full[0], last];
    this.tell("full");
  }
  point(step: number|undefined) {
    if (step === this.cursor_) return;
    this.cursor_ = step;
    this.tell("cursor");
  }
  zoom(range: [number, number]|undefined) {
    if (range) {
      const [low, high] = [Math.max(this.full[0], Math.min(...range)), Math.min(this.full[1], Math.max(...range))];
      this.range_ = high - low >= 1 && high - low < this.full[1] - this.full[0] ? [low, high] : undefined;
    } else
      this.range_ = undefined;
    this.tell("range");
  }
  /** By a factor, around the cursor or the middle. */
  zoomBy(factor: number) {
    const [low, high] = this.shown, centre = this.cursor_ ?? (low + high) / 2;
    this.zoom([centre - (centre - low) * factor, centre + (high - centre) * factor]);
  }
  pan(share: number) {
    const [low, high] = this.shown,
                by = Math.max(this.full[0] - low, Math.min(this.full[1] - high, (high - low) * share));
    if (this.range_) this.zoom([low + by, high + by]);
  }
}
