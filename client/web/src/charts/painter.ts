/** One way of drawing with two ends: a canvas to look at, and SVG to take along. Coordinates are CSS pixels. */

export interface TextStyle {
  color: string;
  size?: number;
  anchor?: "start"|"middle"|"end";
  bold?: boolean
}

export interface Painter {
  readonly width: number;
  readonly height: number;
  /** Joins x, y pairs; a NaN breaks the line. */
  line(points: number[], color: string, width: number, alpha?: number): void;
  /** Fills the polygon of x, y pairs. */
  polygon(points: number[], color: string, alpha?: number): void;
  rect(x: number, y: number, width: number, height: number, color: string, alpha?: number): void;
  dot(x: number, y: number, radius: number, color: string): void;
  text(x: number, y: number, text: string, style: TextStyle): void;
  /** Pixels, stretched without smoothing. */
  image(x: number, y: number, width: number, height: number, pixels: ImageData): void;
  clip(x: number, y: number, width: number, height: number, draw: () => void): void;
}

/** Texts on charts grow with those of the page. */
export const textScale = () =>
    Math.max(1, Math.min(1.5, parseFloat(getComputedStyle(document.documentElement).fontSize) / 14));

const font = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

export function pixelsToCanvas(pixels: ImageData): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  return canvas;
}

export class CanvasPainter implements Painter {
  private readonly context: CanvasRenderingContext2D;
  private readonly scale = textScale();
  constructor(canvas: HTMLCanvasElement, readonly width: number, readonly height: number) {
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.context = canvas.getContext("2d")!;
    this.context.scale(canvas.width / width, canvas.height / height);
    this.context.lineJoin = "round";
  }
  private trace(points: number[]) {
    const c = this.context;
    c.beginPath();
    let pen = false;
    for (let i = 0; i < points.length; i += 2) {
      if (!(points[i + 1] - points[i + 1] === 0)) {
        pen = false;
        continue;
      }
      if (pen)
        c.lineTo(points[i], points[i + 1]);
      else
        c.moveTo(points[i], points[i + 1]);
      pen = true;
    }
  }
  line(points: number[], color: string, width: number, alpha = 1) {
    const c = this.context;
    this.trace(points);
    c.globalAlpha = alpha;
    c.strokeStyle = color;
    c.lineWidth = width;
    c.stroke();
    c.globalAlpha = 1;
  }
  polygon(points: number[], color: string, alpha = 1) {
    const c = this.context;
    this.trace(points);
    c.globalAlpha = alpha;
    c.fillStyle = color;
    c.fill();
    c.globalAlpha = 1;
  }
  rect(x: number, y: number, width: number, height: number, color: string, alpha = 1) {
    const c = this.context;
    c.globalAlpha = alpha;
    c.fillStyle = color;
    c.fillRect(x, y, width, height);
    c.globalAlpha = 1;
  }
  dot(x: number, y: number, radius: number, color: string) {
    const c = this.context;
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    c.fillStyle = color;
    c.fill();
  }
  text(x: number, y: number, text: string, style: TextStyle) {
    const c = this.context;
    c.font = `${style.bold ? "600 " : ""}${(style.size ?? 11) * this.scale}px ${font}`;
    c.fillStyle = style.color;
    c.textAlign = style.anchor === "middle" ? "center" : style.anchor ?? "start";
    c.textBaseline = "middle";
    c.fillText(text, x, y);
  }
  image(x: number, y: number, width: number, height: number, pixels: ImageData) {
    this.context.imageSmoothingEnabled = pixels.width > width || pixels.height > height;
    this.context.drawImage(pixelsToCanvas(pixels), x, y, width, height);
  }
  clip(x: number, y: number, width: number, height: number, draw: () => void) {
    const c = this.context;
    c.save();
    c.beginPath();
    c.rect(x, y, width, height);
    c.clip();
    draw();
    c.restore();
  }
}

/** Text inside markup: what a person has named stays text, and what XML cannot hold is left out. */
export function escapeXml(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
      .replace(/&/g, "&amp;")
      .replace(/</g, "&lt;")
      .replace(/>/g, "&gt;")
      .replace(/"/g, "&quot;");
}

const round = (value: number) => String(Math.round(value * 100) / 100);

export class SvgPainter implements Painter {
  private parts: string[] = [];
  private clips = 0;
  private readonly scale = textScale();
  constructor(
      readonly width: number, readonly height: number, private readonly title: string,
      private readonly ground: string) {}

  private path(points: number[]): string {
    let path = "", pen = false;
    for (let i = 0; i < points.length; i += 2) {
      if (!(points[i + 1] - points[i + 1] === 0)) {
        pen = false;
        continue;
      }
      path += `${pen ? "L" : "M"}${round(points[i])} ${round(points[i + 1])}`;
      pen = true;
    }
    return path;
  }
  line(points: number[], color: string, width: number, alpha = 1) {
    this.parts.push(`<path d="${this.path(points)}" fill="none" stroke="${color}" stroke-width="${
        width}" stroke-opacity="${alpha}" stroke-linejoin="round"/>`);
  }
  polygon(points: number[], color: string, alpha = 1) {
    this.parts.push(`<path d="${this.path(points)}Z" fill="${color}" fill-opacity="${alpha}"/>`);
  }
  rect(x: number, y: number, width: number, height: number, color: string, alpha = 1) {
    this.parts.push(`<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${
        color}" fill-opacity="${alpha}"/>`);
  }
  dot(x: number, y: number, radius: number, color: string) {
    this.parts.push(`<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${color}"/>`);
  }
  text(x: number, y: number, text: string, style: TextStyle) {
    this.parts.push(`<text x="${round(x)}" y="${round(y)}" dy=".35em" font-size="${
        round((style.size ?? 11) * this.scale)}" fill="${style.color}" text-anchor="${style.anchor ?? "start"}"${
        style.bold ? ' font-weight="600"' : ""}>${escapeXml(text)}</text>`);
  }
  image(x: number, y: number, width: number, height: number, pixels: ImageData) {
    this.parts.push(`<image x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${
        round(height)}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${
        pixelsToCanvas(pixels).toDataURL("image/png")}"/>`);
  }
  clip(x: number, y: number, width: number, height: number, draw: () => void) {
    const id = `clip${this.clips++}`;
    this.parts.push(`<clipPath id="${id}"><rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${
        round(height)}"/></clipPath><g clip-path="url(#${id})">`);
    draw();
    this.parts.push("</g>");
  }
  finish(): string {
    const size = `width="${round(this.width)}" height="${round(this.height)}" viewBox="0 0 ${round(this.width)} ${
        round(this.height)}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${escapeXml(font)}"><title>${
               escapeXml(this.title)}</title>` +
        `<rect width="100%" height="100%" fill="${this.ground}"/>${this.parts.join("")}</svg>\n`;
  }
}
