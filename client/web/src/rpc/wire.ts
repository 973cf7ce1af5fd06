/** Protobuf's wire format, read and written by the table that generate_messages.py makes. Fields that the table does
 *  not know, from a newer server, are passed over. Enums are their names, maps are Maps, what is absent is undefined. */
import {enumValues, Messages, Row, rows} from "messages";

/** A message to send: everything in it may be left out. */
export type Init<T> = T extends Uint8Array|Map<string, string|number>? T : T extends(infer U)[] ?
    Init<U>[] :
    T extends object ? {[K in keyof T]?: Init<T[K]>} : T;

export type Value = number|bigint|string|boolean|Uint8Array|Map<string, string|number>|Fields|Value[];
export interface Fields {
  [name: string]: Value|undefined
}

export interface Field {
  name: string;
  number: number;
  kind: string;
  label: "plain"|"optional"|"repeated"|"map";
  type: string;  // Of messages and enums; of a map's values "number", where they are no strings.
  oneof: string;
  wide: boolean;  // A bigint.
}

export interface Type {
  name: string;
  fields: Field[];
  byNumber: Map<number, Field>;
  byName: Map<string, Field>
}

const cache = new Map<string, Type>();

/** The type of this full name, or undefined. */
export function findType(name: string): Type|undefined {
  const known = cache.get(name);
  if (known || !Object.prototype.hasOwnProperty.call(rows, name)) return known;
  const fields = rows[name].map(fieldOf);
  const type = {
    name,
    fields,
    byNumber: new Map(fields.map((field) => [field.number, field])),
    byName: new Map(fields.map((field) => [field.name, field])),
  };
  cache.set(name, type);
  return type;
}

function fieldOf([name, number, kind, label, type = "", oneof = "", width = ""]: Row): Field {
  return {name, number, kind, label: label as Field["label"], type, oneof, wide: width === "wide"};
}

export function typeOf(name: string): Type {
  const type = findType(name);
  if (!type) throw new Error(`There is no message ${name} in this page.`);
  return type;
}

const enumNames = new Map<string, Map<number, string>>();

function enumName(type: string, value: number): string {
  let names = enumNames.get(type);
  if (!names) enumNames.set(type, names = new Map(Object.entries(enumValues[type]).map(([name, n]) => [n, name])));
  return names.get(value) ?? String(value);  // A newer server's.
}

// ---- Reading ----

const utf8 = new TextDecoder();

class Reader {
  private at = 0;
  private readonly view: DataView;
  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get done() { return this.at >= this.bytes.length; }

  /** Two halves of 32 bits, the low one first. */
  private halves(): [number, number] {
    let low = 0, high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.done) throw new Error("A message ends in the middle of a number.");
      const byte = this.bytes[this.at++];
      if (shift < 28)
        low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >> 4;
      } else if (shift < 63)
        high |= (byte & 0x7f) << (shift - 32);
      else
        high |= (byte & 1) << 31;
      if (byte < 0x80) return [low >>> 0, high >>> 0];
    }
    throw new Error("A number in a message is longer than 64 bits.");
  }
  uint32() { return this.halves()[0]; }
  bigint(signed: boolean): bigint {
    const [low, high] = this.halves();
    const value = (BigInt(high) << 32n) | BigInt(low);
    return signed ? BigInt.asIntN(64, value) : value;
  }
  number64(signed: boolean, field: string): number {
    const [low, high] = this.halves();
    if (signed && high === 0x7fffffff && low === 0xffffffff) return Infinity;  // "No limit", in quotas.
    const value = (signed ? high|0 : high) * 4294967296 + low;
    if (!Number.isSafeInteger(value)) throw new Error(`${field} is beyond 2^53, which this page cannot show exactly.`);
    return value;
  }
  private step(size: number): number {
    const at = this.at;
    if (size > this.bytes.length - at) throw new Error("A message ends in the middle of a field.");
    this.at += size;
    return at;
  }
  double() { return this.view.getFloat64(this.step(8), true); }
  float() { return this.view.getFloat32(this.step(4), true); }
  fixed32() { return this.view.getUint32(this.step(4), true); }
  fixed64() { return this.view.getBigUint64(this.step(8), true); }
  slice(): Uint8Array {
    const size = this.uint32(), at = this.step(size);
    return this.bytes.subarray(at, at + size);
  }
  skip(wire: number) {
    if (wire === 0)
      this.halves();
    else if (wire === 1)
      this.step(8);
    else if (wire === 2)
      this.slice();
    else if (wire === 5)
      this.step(4);
    else
      throw new Error(`A message has a field of wire type ${wire}.`);
  }
}

function readScalar(reader: Reader, field: Field): Value {
  switch (field.kind) {
    case "double":
      return reader.double();
    case "float":
      return reader.float();
    case "bool":
      return reader.uint32() !== 0;
    case "string":
      return utf8.decode(reader.slice());
    case "bytes":
      return reader.slice().slice();
    case "message":
      return decodeFields(typeOf(field.type), reader.slice());
    case "enum":
      return enumName(field.type, Number(reader.bigint(true)));
    case "uint32":
      return reader.uint32();
    case "int32":
      return reader.uint32() | 0;
    case "sint32": {
      const n = reader.uint32();
      return (n >>> 1) ^ -(n & 1);
    }
    case "fixed32":
      return reader.fixed32();
    case "sfixed32":
      return reader.fixed32() | 0;
    case "int64":
      return field.wide ? reader.bigint(true) : reader.number64(true, field.name);
    case "uint64":
      return field.wide ? reader.bigint(false) : reader.number64(false, field.name);
    case "fixed64":
      return Number(reader.fixed64());
    default:
      throw new Error(`Fields of type ${field.kind} are not read.`);
  }
}

const zeros: Record<string, Value> = {
  bool: false,
  string: ""
};

/** What a plain field is where a message does not have it. */
export function zeroOf(field: Field): Value {
  if (field.kind === "enum") return enumName(field.type, 0);
  if (field.kind === "bytes") return new Uint8Array(0);
  return field.wide ? 0n : zeros[field.kind] ?? 0;
}

function emptyFields(type: Type): Fields {
  const fields: Fields = Object.create(null);
  for (const field of type.fields) {
    if (field.label === "repeated")
      fields[field.name] = [];
    else if (field.label === "map")
      fields[field.name] = new Map();
    else if (field.label === "plain")
      fields[field.name] = zeroOf(field);
  }
  return fields;
}

function readMapEntry(bytes: Uint8Array, map: Map<string, string|number>, numbers: boolean) {
  const reader = new Reader(bytes);
  let key = "", value: string|number = numbers ? 0 : "";
  while (!reader.done) {
    const tag = reader.uint32();
    if (tag === 10)
      key = utf8.decode(reader.slice());
    else if (tag === 18)
      value = utf8.decode(reader.slice());
    else if (tag === 16 && numbers)
      value = reader.uint32();
    else
      reader.skip(tag & 7);
  }
  map.set(key, value);
}

const packable = (field: Field) => !["string", "bytes", "message"].includes(field.kind);

function decodeFields(type: Type, bytes: Uint8Array): Fields {
  const reader = new Reader(bytes), fields = emptyFields(type);
  while (!reader.done) {
    const tag = reader.uint32(), field = type.byNumber.get(tag >>> 3), wire = tag & 7;
    if (!field) {
      reader.skip(wire);
      continue;
    }
    if (field.label === "map")
      readMapEntry(reader.slice(), fields[field.name] as Map<string, string|number>, field.type === "number");
    else if (field.label === "repeated" && wire === 2 && packable(field)) {
      const packed = new Reader(reader.slice()), list = fields[field.name] as Value[];
      while (!packed.done) list.push(readScalar(packed, field));
    } else if (field.label === "repeated")
      (fields[field.name] as Value[]).push(readScalar(reader, field));
    else {
      if (field.oneof)
        for (const other of type.fields)
          if (other.oneof === field.oneof) delete fields[other.name];
      fields[field.name] = readScalar(reader, field);
    }
  }
  return fields;
}

/** Throws an Error where the bytes are none of such a message. */
export function decode<K extends keyof Messages>(type: K, bytes: Uint8Array): Messages[K] {
  return decodeFields(typeOf(type), bytes) as unknown as Messages[K];
}

// ---- Writing ----

class Writer {
  private bytes = new Uint8Array(256);
  private size = 0;
  private room(more: number) {
    if (this.size + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.size + more));
    grown.set(this.bytes.subarray(0, this.size));
    this.bytes = grown;
  }
  varint(value: bigint) {
    this.room(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      this.bytes[this.size++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.size++] = Number(rest);
  }
  raw(bytes: Uint8Array) {
    this.room(bytes.length);
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
  }
  delimited(bytes: Uint8Array) {
    this.varint(BigInt(bytes.length));
    this.raw(bytes);
  }
  float(value: number, wide: boolean) {
    const buffer = new DataView(new ArrayBuffer(wide ? 8 : 4));
    if (wide)
      buffer.setFloat64(0, value, true);
    else
      buffer.setFloat32(0, value, true);
    this.raw(new Uint8Array(buffer.buffer));
  }
  finish() { return this.bytes.slice(0, this.size); }
}

const toUtf8 = new TextEncoder(), noLimit = 2n ** 63n - 1n;  // Which number64 reads as Infinity.

function writeScalar(writer: Writer, field: Field, value: Value) {
  switch (field.kind) {
    case "double":
    case "float":
      return writer.float(value as number, field.kind === "double");
    case "bool":
      return writer.varint(value ? 1n : 0n);
    case "string":
      return writer.delimited(toUtf8.encode(value as string));
    case "bytes":
      return writer.delimited(value as Uint8Array);
    case "message":
      return writer.delimited(encodeFields(typeOf(field.type), value as Fields));
    case "enum":
      return writer.varint(BigInt(enumValues[field.type][value as string] ?? (value as string)));
    case "int32":
    case "uint32":
    case "int64":
    case "uint64":
      return writer.varint(value === Infinity ? noLimit : BigInt(value as number | bigint));
    default:
      throw new Error(`Fields of type ${field.kind} are not written.`);
  }
}

const wireOf = (field: Field) => field.kind === "double" ? 1 :
    field.kind === "float"                               ? 5 :
    ["string", "bytes", "message"].includes(field.kind)  ? 2 :
                                                           0;

function encodeFields(type: Type, fields: Fields): Uint8Array {
  const writer = new Writer();
  const tag = (field: Field, wire: number) => writer.varint(BigInt(field.number * 8 + wire));
  for (const field of type.fields) {
    const value = fields[field.name];
    if (value === undefined) continue;
    if (field.label === "map") {
      if (field.type) throw new Error(`Maps of numbers, as ${field.name}, are not written.`);
      for (const [key, text] of value as Map<string, string>) {
        const entry = new Writer();
        entry.raw(Uint8Array.of(10));
        entry.delimited(toUtf8.encode(key));
        entry.raw(Uint8Array.of(18));
        entry.delimited(toUtf8.encode(text));
        tag(field, 2);
        writer.delimited(entry.finish());
      }
    } else if (field.label === "repeated" && packable(field)) {
      if (!(value as Value[]).length) continue;
      const packed = new Writer();
      for (const item of value as Value[]) writeScalar(packed, field, item);
      tag(field, 2);
      writer.delimited(packed.finish());
    } else if (field.label === "repeated") {
      for (const item of value as Value[]) {
        tag(field, 2);
        writeScalar(writer, field, item);
      }
    } else if (field.label === "optional" || value !== zeroOf(field) || Object.is(value, -0)) {
      tag(field, wireOf(field));
      writeScalar(writer, field, value);
    }
  }
  return writer.finish();
}

export function encode<K extends keyof Messages>(type: K, message: Init<Messages[K]>): Uint8Array {
  return encodeFields(typeOf(type), message as unknown as Fields);
}
