/** Writes messages as protobuf's text format: what a job file looks like. */
import {Field, Fields, Type, typeOf, Value, zeroOf} from "web/rpc/wire";
import {shortEnum} from "web/text/parse";

export interface Line {
  text: string;
  path: string
}

/** Characters that could lie about the order or the end of a text are written as escapes. */
export function quote(text: string): string {
  return `"${
      text.replace(/["\\]/g, "\\$&")
          .replace(/\n/g, "\\n")
          .replace(
              /[\u0000-\u001f\u007f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
              (c) => c.charCodeAt(0) < 128 ? `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}` :
                                             `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}

function quoteBytes(bytes: Uint8Array): string {
  return `"${
          [...bytes]
              .map(
                  (b) => b >= 32 && b < 127 && b !== 34 && b !== 92 ? String.fromCharCode(b) :
                                                                      `\\${b.toString(8).padStart(3, "0")}`)
              .join("")}"`;
}

export function scalarText(field: Field, value: Value): string {
  if (field.kind === "string") return quote(value as string);
  if (field.kind === "bytes") return quoteBytes(value as Uint8Array);
  if (field.kind === "enum") return shortEnum(field.type, value as string);
  if (field.kind === "float") return String(Number((value as number).toPrecision(7)));
  return String(value).replace("Infinity", "inf").replace("NaN", "nan");
}

/** The fields that are there: not those of a plain type that are zero. */
export function present(type: Type, fields: Fields): [Field, Value][] {
  return type.fields.flatMap((field): [Field, Value][] => {
    const value = fields[field.name];
    if (value === undefined) return [];
    if (field.label === "plain" && (value === zeroOf(field) || value instanceof Uint8Array && !value.length)) return [];
    if (field.label === "repeated" && !(value as Value[]).length ||
        field.label === "map" && !(value as Map<string, string>).size)
      return [];
    return [[field, value]];
  });
}

const width = 100;

function inline(type: Type, fields: Fields): string {
  return present(type, fields).map(([field, value]) => inlineField(field, value)).join(" ");
}

function inlineOne(field: Field, value: Value): string {
  if (field.kind !== "message") return scalarText(field, value);
  const inside = inline(typeOf(field.type), value as Fields);
  return inside ? `{ ${inside} }` : "{}";
}

function inlineField(field: Field, value: Value): string {
  if (field.label === "map") {
    return [...value as Map<string, string>]
        .map(([k, v]) => `${field.name} { key: ${quote(k)} value: ${quote(v)} }`)
        .join(" ");
  }
  const colon = field.kind === "message" ? " " : ": ";
  if (field.label !== "repeated") return field.name + colon + inlineOne(field, value);
  const list = value as Value[];
  if (field.kind !== "message" && list.length > 1)
    return `${field.name}: [${list.map((item) => inlineOne(field, item)).join(", ")}]`;
  return list.map((item) => field.name + colon + inlineOne(field, item)).join(" ");
}

function block(type: Type, fields: Fields, indent: string, path: string, lines: Line[]) {
  for (const [field, value] of present(type, fields)) {
    const items = field.label === "repeated" && field.kind === "message" ? value as Value[] : [value];
    items.forEach((item, i) => {
      const own = path + field.name + (field.label === "repeated" && field.kind === "message" ? `[${i}]` : "");
      const single = field.kind === "message" && field.label !== "map" ? {...field, label: "plain" as const} : field;
      const flat = inlineField(single, item);
      if (field.kind !== "message" || field.label === "map" ||
          indent.length + flat.length <= width && !roomy(path, field)) {
        lines.push({text: indent + flat, path: own});
        return;
      }
      lines.push({text: `${indent}${field.name} {`, path: own});
      block(typeOf(field.type), item as Fields, indent + "  ", `${own}.`, lines);
      lines.push({text: `${indent}}`, path: own});
    });
  }
}

/** The large parts of a job are never written in one line. */
const roomy = (path: string, field: Field) => path === "" && ["network", "data", "optimizer"].includes(field.name);

/** The lines of a message, each with the path of the field that it is about. */
export function printLines(message: unknown, type: string): Line[] {
  const lines: Line[] = [];
  block(typeOf(type), message as Fields, "", "", lines);
  return lines;
}

export function printText(message: unknown, type: string): string {
  return printLines(message, type).map((line) => line.text + "\n").join("");
}
