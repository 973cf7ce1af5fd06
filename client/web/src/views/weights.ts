/** Weights as files: safetensors as they are, or the whole network as ONNX. */
import {ModelRef} from "messages";
import {notify} from "web/app/notice";
import {Scope} from "web/app/scope";
import {download} from "web/charts/chart";
import {bytes, plural} from "web/format";
import {read} from "web/rpc/lane";
import {Init} from "web/rpc/wire";

/** Beyond this a file would fill the page's memory. */
export const largestDownload = 100e6;

/** Gathers chunks of a file whose size the first message tells. */
class Chunks {
  private readonly parts: Uint8Array[] = [];
  private size = 0;
  constructor(private readonly command: string) {}

  add({size_bytes, chunk}: {size_bytes: number; chunk: Uint8Array}) {
    if (size_bytes > largestDownload) throw new Error(`It has ${bytes(size_bytes)}: take it with ${this.command}.`);
    this.parts.push(chunk);
    this.size += chunk.length;
  }
  whole(): Uint8Array {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

/** `name` is that of a checkpoint or a model. Throws. */
export async function downloadWeights(name: string, file: string, scope: Scope) {
  const chunks = new Chunks("trainctl model download");
  for await (const part of read("ModelService/DownloadCheckpoint", {name}, scope.signal)) chunks.add(part);
  download(`${file}.safetensors`, "application/octet-stream", chunks.whole());
  notify("Weights downloaded");
}

/** Throws. */
export async function downloadOnnx(model: Init<ModelRef>, file: string, scope: Scope) {
  const chunks = new Chunks("trainctl model export"), notes: string[] = [];
  for await (const part of read("ModelService/ExportModel", {model}, scope.signal)) {
    chunks.add(part);
    notes.push(...part.notes);
  }
  download(`${file}.onnx`, "application/octet-stream", chunks.whole());
  notify(
      notes.length ? `Downloaded, with ${plural(notes.length, "note")}: ${notes.join(" ")}` : "ONNX file downloaded");
}
