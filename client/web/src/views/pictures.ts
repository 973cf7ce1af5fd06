/** Pictures of examples: the server's contact sheet, cut into its rows. */
import {PreviewDatasetRequest} from "messages";
import {Scope} from "web/app/scope";
import {call} from "web/rpc/call";
import {Init} from "web/rpc/wire";

/** A PNG file as pixels. It is decoded without an address, so that the page's policy needs no exception for pictures. */
export const decodePng = (png: Uint8Array) => createImageBitmap(new Blob([png], {type: "image/png"}));

/** Of the sheet that the server draws: its edge, and what lies between two rows. */
const edge = 12, gap = 4;

/** The originals alone: so many rows, or the examples that the request names. Throws a CallError. */
export async function originals(
    request: Init<PreviewDatasetRequest>, rows: number, scope: Scope): Promise<HTMLCanvasElement[]> {
  const chosen = request.examples?.length;
  rows = chosen ?? rows;
  const picture = await call(
      "DatasetService/PreviewDataset", {...request, rows: chosen ? 0 : rows, columns: 1}, {signal: scope.signal});
  const sheet = await decodePng(picture.png), height = (sheet.height - 2 * edge + gap) / rows - gap,
        width = sheet.width - 2 * edge;
  const cells = Array.from({length: rows}, (_, row) => {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d")!.drawImage(sheet, edge, edge + row * (height + gap), width, height, 0, 0, width, height);
    return canvas;
  });
  sheet.close();
  return cells;
}
