/** gRPC-Web over fetch: calls with one answer, calls with many, and what went wrong. */
import {Calls, calls, Messages, Streams, streams} from "messages";
import {decode, encode, findType, Init} from "web/rpc/wire";

export const Code = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
};
const codeNames: Record<number, string> = {
  1: "Cancelled",
  2: "Failed",
  3: "Not accepted",
  4: "Took too long",
  5: "Not found",
  6: "Taken already",
  7: "Not allowed",
  8: "No room",
  9: "Not now",
  10: "Changed meanwhile",
  11: "Out of range",
  12: "Not known to this server",
  13: "The server failed",
  14: "The server cannot be reached",
  15: "Damaged",
  16: "Not logged in",
};

export interface Violation {
  field: string;
  description: string
}

/** A status that is not OK, with the details that gRPC's error model sends beside it. */
export class CallError extends Error {
  violations: Violation[] = [];
  retryMs = 0;  // How long the server asks to wait; 0: it does not say.
  constructor(readonly code: number, message: string) { super(message); }
  get title() { return codeNames[this.code] ?? `Failed (${this.code})`; }
}

/** Bytes of one frame beyond which an answer is refused: answers fit 4 MiB. */
const largestFrame = 16 << 20;

/** Cuts a body into frames, however the network has cut it. */
export class Frames {
  private parts: Uint8Array[] = [];
  private size = 0;

  /** The whole frames that `bytes` completes: flag and content. */
  push(bytes: Uint8Array): [number, Uint8Array][] {
    this.parts.push(bytes);
    this.size += bytes.length;
    const frames: [number, Uint8Array][] = [];
    while (this.size >= 5) {
      const head = this.peek(5), length = new DataView(head.buffer, head.byteOffset).getUint32(1);
      if (length > largestFrame) throw new CallError(Code.internal, `An answer of ${length} bytes is not read.`);
      if (this.size < 5 + length) break;
      const frame = this.peek(5 + length);
      this.parts = [this.parts[0].subarray(5 + length)];
      this.size -= 5 + length;
      frames.push([frame[0], frame.subarray(5)]);
    }
    return frames;
  }
  get rest() { return this.size; }

  private peek(count: number): Uint8Array {
    if (this.parts[0].length < count) {
      const joined = new Uint8Array(this.size);
      let at = 0;
      for (const part of this.parts) {
        joined.set(part, at);
        at += part.length;
      }
      this.parts = [joined];
    }
    return this.parts[0].subarray(0, count);
  }
}

function frameOf(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  return frame;
}

function bytesOfBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/").replace(/=+$/, "")), (c) => c.charCodeAt(0));
}

/** Any.type_url of a message that this page knows; the details are google.rpc's on the wire. */
export function knownType(url: string): keyof Messages|undefined {
  const name = url.slice(url.lastIndexOf("/") + 1).replace(/^google\.rpc\./, "traind.rpc.");
  return findType(name) && (name as keyof Messages);
}

function addDetails(error: CallError, encoded: string) {
  try {
    for (const any of decode("traind.rpc.Status", bytesOfBase64(encoded)).details) {
      const type = knownType(any.type_url);
      if (type === "traind.rpc.BadRequest") error.violations = decode(type, any.value).field_violations;
      if (type === "traind.rpc.RetryInfo") {
        const delay = decode(type, any.value).retry_delay;
        error.retryMs = delay ? delay.seconds * 1000 + delay.nanos / 1e6 : 0;
      }
    }
  } catch { /* The status says what is wrong also without its details. */
  }
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The error of a status, or undefined for OK. */
export function errorOf(get: (name: string) => string | null | undefined): CallError|undefined {
  const code = Number(get("grpc-status"));
  if (code === 0) return undefined;
  const error = new CallError(code, percentDecode(get("grpc-message") ?? ""));
  const details = get("grpc-status-details-bin");
  if (details) addDetails(error, details);
  return error;
}

function trailersOf(content: Uint8Array): Map<string, string> {
  const lines = new TextDecoder().decode(content).split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  }));
}

const codeOfHttp: Record<number, number> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  413: 8,
  429: 8,
  502: 14,
  503: 14,
  504: 4
};

/** Who is told that a call was refused for want of a login. */
export const login = {
  needed: () => {}
};

function raise(error: CallError): never {
  if (error.code === Code.unauthenticated) login.needed();
  throw error;
}

async function*
    answers(path: string, body: Uint8Array, signal: AbortSignal, timeoutMs: number): AsyncGenerator<Uint8Array> {
  const headers: Record<string, string> = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"};
  if (timeoutMs) headers["grpc-timeout"] = `${timeoutMs}m`;
  const response = await fetch(path, {
    method: "POST",
    headers,
    body: frameOf(body),
    signal,
    credentials: "same-origin",
    cache: "no-store",
  });
  if (response.headers.get("grpc-status") !== null) {
    const error = errorOf((name) => response.headers.get(name));
    if (error) raise(error);
  }
  if (!response.ok) {
    raise(
        new CallError(codeOfHttp[response.status] ?? 13, (await response.text()).slice(0, 500) || response.statusText));
  }
  const reader = response.body!.getReader(), frames = new Frames();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) throw new CallError(Code.unavailable, "The connection ended in the middle of an answer.");
      for (const [flag, content] of frames.push(value)) {
        if (!(flag & 0x80)) {
          yield content;
          continue;
        }
        const trailers = trailersOf(content), error = errorOf((name) => trailers.get(name));
        while (!(await reader.read()).done)
          ;  // To the end of the body, so that the connection can be used again.
        if (error) raise(error);
        return;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Turns what fetch throws into a CallError. */
function asCallError(error: unknown, timedOut: boolean): CallError {
  if (error instanceof CallError) return error;
  if (timedOut) return new CallError(Code.deadlineExceeded, "There was no answer in time.");
  if (error instanceof DOMException && error.name === "AbortError") return new CallError(Code.cancelled, "");
  if (error instanceof TypeError) return new CallError(Code.unavailable, "There is no connection to it now.");
  return new CallError(Code.internal, error instanceof Error ? error.message : String(error));
}

export interface Options {
  signal?: AbortSignal;
  timeoutMs?: number
}

/** Throws a CallError. */
export async function call<M extends keyof Calls>(
    method: M, request: Init<Calls[M][0]>, {signal, timeoutMs = 30000}: Options = {}): Promise<Calls[M][1]> {
  const [input, output] = calls[method], stop = new AbortController();
  const abort = () => stop.abort();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, timeoutMs + 2000);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    let answer: Uint8Array|undefined;
    for await (
        const bytes of answers(`/traind.v1.${method}`, encode(input, request as never), stop.signal, timeoutMs)) {
      answer = bytes;
    }
    if (!answer) throw new CallError(Code.internal, "The server answered nothing.");
    return decode(output, answer) as unknown as Calls[M][1];
  } catch (error) {
    throw asCallError(error, timedOut);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** The answers of a call, one after another. Throws a CallError. */
export async function*
    stream<M extends keyof Streams>(method: M, request: Init<Streams[M][0]>, signal: AbortSignal):
        AsyncGenerator<Streams[M][1]> {
  const [input, output] = streams[method];
  try {
    for await (const bytes of answers(`/traind.v1.${method}`, encode(input, request as never), signal, 0)) {
      yield decode(output, bytes) as unknown as Streams[M][1];
    }
  } catch (error) {
    throw asCallError(error, false);
  }
}
