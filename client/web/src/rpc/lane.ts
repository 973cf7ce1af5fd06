/** The page's streaming calls, of which one is open at a time, whatever the page shows: a browser has six connections to
 *  one server for all its windows together, and a stream holds one of them for as long as it is open. */
import {Streams} from "messages";
import {CallError, Code, stream} from "web/rpc/call";
import {Init} from "web/rpc/wire";

interface Waiting {
  begin: () => void;
  giveWay?: () => void
}

/** One is inside, the others wait in the order in which they came. */
export class Lane {
  private inside: Waiting|undefined;
  private readonly waiting: Waiting[] = [];

  /** Gives what leaves the lane. `giveWay` is called once, as soon as another one waits. Throws a CallError when the
   *  signal ends the waiting. */
  enter(signal: AbortSignal, giveWay?: () => void): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const forget = () => {
        const at = this.waiting.indexOf(mine);
        if (at < 0) return;
        this.waiting.splice(at, 1);
        reject(new CallError(Code.cancelled, ""));
      };
      const mine: Waiting = {
        giveWay,
        begin: () => {
          signal.removeEventListener("abort", forget);
          this.inside = mine;
          resolve(() => {
            if (this.inside === mine) this.next();
          });
          if (this.waiting.length) this.hurry();
        },
      };
      this.waiting.push(mine);
      if (signal.aborted)
        forget();
      else
        signal.addEventListener("abort", forget);
      if (this.inside)
        this.hurry();
      else
        this.next();
    });
  }

  private next() {
    this.inside = undefined;
    this.waiting.shift()?.begin();
  }
  private hurry() {
    const {inside} = this, giveWay = inside?.giveWay;
    if (!giveWay) return;
    inside.giveWay = undefined;
    giveWay();
  }
}

const lane = new Lane();

/** The answers of a call that ends by itself, when its turn has come. Throws a CallError. */
export async function*
    read<M extends keyof Streams>(method: M, request: Init<Streams[M][0]>, signal: AbortSignal):
        AsyncGenerator<Streams[M][1]> {
  const leave = await lane.enter(signal);
  try {
    yield* stream(method, request, signal);
  } finally {
    leave();
  }
}

/** The answers of a call that lasts. It ends without an error, too, when another one waits: begin again where it stood.
 *  `request` is asked for when the turn has come. Throws a CallError. */
export async function*
    follow<M extends keyof Streams>(method: M, request: () => Init<Streams[M][0]>, signal: AbortSignal):
        AsyncGenerator<Streams[M][1]> {
  const stop = new AbortController(), end = () => stop.abort();
  const leave = await lane.enter(signal, end);
  signal.addEventListener("abort", end);
  try {
    yield* stream(method, request(), stop.signal);
  } catch (error) {
    if (signal.aborted || !stop.signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", end);
    if (stop.signal.aborted) await new Promise((closed) => setTimeout(closed));  // The browser closes it by then.
    leave();
  }
}
