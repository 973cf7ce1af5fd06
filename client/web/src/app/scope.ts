/** What lives as long as a view: its calls, its timers, its listeners. */
export class Scope {
  private readonly controller = new AbortController();
  private readonly closers = new Set<() => void>();
  get signal() { return this.controller.signal; }
  get closed() { return this.signal.aborted; }

  /** Gives what takes it back, so that a long life does not gather what has passed. */
  onClose(closer: () => void): () => void {
    if (this.closed)
      closer();
    else
      this.closers.add(closer);
    return () => this.closers.delete(closer);
  }
  close() {
    this.controller.abort();
    const closers = [...this.closers];
    this.closers.clear();
    closers.forEach((closer) => closer());
  }
  /** A scope that ends with this one, or before. */
  child(): Scope {
    const inner = new Scope(), forget = this.onClose(() => inner.close());
    inner.onClose(() => forget());
    return inner;
  }
  /** Ends early when the scope does. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        forget();
        resolve();
      }, ms);
      const forget = this.onClose(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
  /** Runs `work` now and again `ms` after it has ended, not while nobody looks; after a failure with growing pauses. */
  async every(ms: number, work: () => Promise<void>, failed: (error: unknown, retryMs: number) => void) {
    let pause = ms;
    while (!this.closed) {
      try {
        await work();
        pause = ms;
      } catch (error) {
        if (this.closed) return;
        pause = Math.min(30000, Math.max(1000, 2 * pause));
        failed(error, pause);
      }
      await this.sleep(pause);
      while (document.hidden && !this.closed) await this.sleep(500);
    }
  }
}

/** Calls `work` once, `ms` after the last time that it was asked for. */
export function debounce(ms: number, work: () => void): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(work, ms);
  };
}
