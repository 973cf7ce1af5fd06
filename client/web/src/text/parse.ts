/** Reads protobuf's text format, by the message it shall be, and remembers where each field stands. All that is wrong
 *  is told at once, each with its place. */
import {enumValues} from "messages";
import {Field, Fields, Type, typeOf, Value} from "web/rpc/wire";
import {near} from "web/text/suggest";

export interface Problem {
  at: number;
  end: number;
  message: string
}
export interface Parsed {
  fields: Fields;
  problems: Problem[];
  places: Map < string, {
    at: number;
    end: number
  }
  >
}

interface Token {
  kind: "name"|"number"|"string"|"mark"|"end";
  text: string;
  at: number;
  end: number
}

const tokenForm =
    /(\s+|#[^\n]*)|([A-Za-z_][A-Za-z0-9_]*)|((?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[fF]?)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|([-{}<>[\]:,;/.])/y;

export function tokenize(source: string): {tokens: Token[]; problems: Problem[]} {
  const tokens: Token[] = [], problems: Problem[] = [];
  let at = 0;
  while (at < source.length) {
    tokenForm.lastIndex = at;
    const match = tokenForm.exec(source);
    if (!match) {
      const quote = source[at] === '"' || source[at] === "'";
      const line = source.indexOf("\n", at), end = quote ? (line < 0 ? source.length : line) : at + 1;
      problems.push(
          {at, end, message: quote ? "This text has no closing quote." : `"${source[at]}" means nothing here.`});
      at = end;
      continue;
    }
    const end = at + match[0].length;
    const kind = match[2] ? "name" : match[3] ? "number" : match[4] ? "string" : match[5] ? "mark" : undefined;
    if (kind) tokens.push({kind, text: match[0], at, end});
    at = end;
  }
  tokens.push({kind: "end", text: "the end", at: source.length, end: source.length});
  return {tokens, problems};
}

const escapes: Record<string, number> = {
  n: 10,
  t: 9,
  r: 13,
  a: 7,
  b: 8,
  f: 12,
  v: 11
};

/** The bytes of a quoted text, with its escapes. */
function unquote(text: string): Uint8Array {
  const bytes: number[] = [], form = /\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\\]+/gs;
  for (const [all, escape] of text.slice(1, -1).matchAll(form)) {
    if (!escape)
      bytes.push(...new TextEncoder().encode(all));
    else if (/^x./.test(escape))
      bytes.push(parseInt(escape.slice(1), 16));
    else if (/^[uU]./.test(escape))
      bytes.push(...new TextEncoder().encode(String.fromCodePoint(parseInt(escape.slice(1), 16))));
    else if (/^[0-7]/.test(escape))
      bytes.push(parseInt(escape, 8) & 255);
    else
      bytes.push(escapes[escape] ?? escape.charCodeAt(0));
  }
  return Uint8Array.from(bytes);
}

const bounds: Record<string, [bigint, bigint]> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

class Parser {
  private next = 0;
  readonly problems: Problem[];
  readonly places = new Map < string, {
    at: number;
    end: number
  }
  > ();
  private readonly tokens: Token[];
  private depth = 0;

  constructor(source: string) { ({tokens: this.tokens, problems: this.problems} = tokenize(source)); }
  private get token() { return this.tokens[this.next]; }
  /** The next token; the end is never passed. */
  private take() {
    const {token} = this;
    if (token.kind !== "end") this.next++;
    return token;
  }
  private accept(text: string) {
    const is = this.token.text === text && this.token.kind === "mark";
    if (is) this.next++;
    return is;
  }
  private fault(token: {at: number; end: number}, message: string) {
    if (this.problems.length < 200) this.problems.push({at: token.at, end: token.end, message});
  }

  message(type: Type, path: string, closing: string): Fields {
    const fields: Fields = Object.create(null);
    while (this.token.kind !== "end" && this.token.text !== closing) {
      if (this.accept(",") || this.accept(";")) continue;
      const before = this.next;
      this.field(type, fields, path);
      if (this.next === before) this.take();
    }
    return fields;
  }

  private field(type: Type, fields: Fields, path: string) {
    const name = this.take();
    if (name.kind !== "name") {
      if (name.text === "[") {
        this.skipExtension(name);
        return;
      }
      return this.fault(
          name,
          name.text === "}" ? "This brace closes nothing." : `A field's name is expected here, not ${name.text}.`);
    }
    const field = type.byName.get(name.text);
    if (!field) {
      const other = near(name.text, type.fields.map((f) => f.name));
      this.fault(name, `${shortName(type)} has no field ${name.text}${other ? `; did you mean ${other}?` : "."}`);
      return this.skipValue();
    }
    const colon = this.accept(":");
    if (!colon && !["{", "<"].includes(this.token.text) && !(field.kind === "message" && this.token.text === "[")) {
      this.fault(
          name,
          field.kind === "message" ? `${name.text} { ... } is expected.` : `A colon is missing behind ${name.text}.`);
      if (this.token.kind === "name" && field.kind === "message") return;
    }
    this.store(type, field, fields, path, name);
  }

  private store(type: Type, field: Field, fields: Fields, path: string, name: Token) {
    const own = path + field.name;
    if (field.label === "map") {
      const map = (fields[field.name] ??= new Map()) as Map<string, string|number>;
      const entry = this.value({...field, label: "plain", type: ""}, own, name);
      if (entry instanceof Map) entry.forEach((value, key) => map.set(key, value));
    } else if (field.label === "repeated") {
      const list = (fields[field.name] ??= []) as Value[];
      const one = () => {
        const value = this.value(field, `${own}[${list.length}]`, name);
        if (value !== undefined) list.push(value);
      };
      if (!this.accept("[")) return one();
      while (this.token.kind !== "end" && !this.accept("]")) {
        const at = this.next;
        one();
        this.accept(",");
        if (this.next === at) this.take();
      }
    } else {
      if (fields[field.name] !== undefined) this.fault(name, `${field.name} stands here twice.`);
      const rival = field.oneof &&
          type.fields.find((f) => f.oneof === field.oneof && f !== field && fields[f.name] !== undefined);
      if (rival) this.fault(name, `${rival.name} stands here already; it is one or the other.`);
      const value = this.value(field, own, name);
      if (value !== undefined) fields[field.name] = value;
    }
  }

  private value(field: Field, path: string, name: Token): Value|undefined {
    const open = this.token;
    if (field.kind === "message" || field.label === "map" || field.type === "" && open.text === "{")
      return this.nested(field, path, name);
    const minus = this.accept("-"), token = this.take();
    this.places.set(path, {at: name.at, end: token.end});
    if (field.kind === "string" || field.kind === "bytes") return this.text(field, token);
    if (field.kind === "bool") {
      if (["true", "false", "t", "f", "True", "False", "1", "0"].includes(token.text)) return /^[tT1]/.test(token.text);
      return this.fault(token, `${field.name} is true or false.`) as undefined;
    }
    if (field.kind === "enum") return this.enumerator(field, token);
    return this.numeral(field, token, minus);
  }

  private nested(field: Field, path: string, name: Token): Value|undefined {
    const open = this.take();
    if (open.text !== "{" && open.text !== "<")
      return this.fault(open, `${field.name} { ... } is expected.`) as undefined;
    if (++this.depth > 100) {
      this.fault(open, "This is nested too deep.");
      this.next = this.tokens.length - 1;
      return undefined;
    }
    const closing = open.text === "{" ? "}" : ">";
    const value = field.type === "" ? this.mapEntry(closing) : this.message(typeOf(field.type), `${path}.`, closing);
    if (!this.accept(closing)) this.fault(open, `This brace, of ${field.name}, is never closed.`);
    this.places.set(path, {at: name.at, end: this.tokens[this.next - 1].end});
    this.depth--;
    return value;
  }

  private mapEntry(closing: string): Map<string, string> {
    const entry: Record<string, string> = {key: "", value: ""};
    while (this.token.kind !== "end" && this.token.text !== closing) {
      const name = this.take();
      this.accept(":");
      const token = this.take();
      if ((name.text !== "key" && name.text !== "value") || token.kind !== "string")
        this.fault(name, 'An entry is { key: "..." value: "..." }.');
      else
        entry[name.text] = new TextDecoder().decode(unquote(token.text));
      this.accept(",");
    }
    return new Map([[entry.key, entry.value]]);
  }

  private text(field: Field, first: Token): Value|undefined {
    if (first.kind !== "string") return this.fault(first, `${field.name} is a text in quotes.`) as undefined;
    const parts = [unquote(first.text)];
    while (this.token.kind === "string") parts.push(unquote(this.take().text));
    const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
    return field.kind === "bytes" ? bytes : new TextDecoder().decode(bytes);
  }

  private enumerator(field: Field, token: Token): Value|undefined {
    const found = enumOf(field.type, token.text);
    if (found) return found;
    const other = near(token.text, enumChoices(field.type));
    return this.fault(
               token,
               `${field.name} is one of ${enumChoices(field.type).join(", ")}${
                   other ? `; did you mean ${other}?` : "."}`) as undefined;
  }

  private numeral(field: Field, token: Token, minus: boolean): Value|undefined {
    const word = token.text.toLowerCase();
    if (field.kind === "double" || field.kind === "float") {
      const named = ({inf: Infinity, infinity: Infinity, nan: NaN} as Record<string, number>)[word];
      if (named === undefined && token.kind !== "number")
        return this.fault(token, `${field.name} is a number.`) as undefined;
      const value = named ?? Number(word.startsWith("0x") ? word : word.replace(/f$/, ""));
      return minus ? -value : value;
    }
    if (token.kind !== "number" || !/^(0x[0-9a-f]+|\d+)$/.test(word))
      return this.fault(token, `${field.name} is a whole number.`) as undefined;
    const octal = /^0[0-7]+$/.test(word), exact = BigInt(octal ? `0o${word.slice(1)}` : word) * (minus ? -1n : 1n);
    const [low, high] = bounds[field.kind];
    if (exact < low || exact > high)
      return this.fault(token, `${field.name} is between ${low} and ${high}.`) as undefined;
    if (!field.wide && !Number.isSafeInteger(Number(exact)))
      return this.fault(token, `${field.name} is too large for this page; use trainctl.`) as undefined;
    return field.wide ? exact : Number(exact);
  }

  private skipExtension(at: Token) {
    this.fault(at, "This page cannot write extensions; submit this job with trainctl.");
    while (this.token.kind !== "end" && !this.accept("]")) this.take();
    this.skipValue();
  }

  /** Passes over what belongs to a field that is not known. */
  private skipValue() {
    this.accept(":");
    this.accept("-");
    let open = 0;
    do {
      const text = this.token.kind === "string" ? "" : this.token.text;
      if (["}", ">", "]"].includes(text) && --open < 0) return;
      if (["{", "<", "["].includes(text)) open++;
      if (this.take().kind === "end") return;
    } while (open > 0);
  }
}

export function shortName(type: Type): string { return type.name.replace(/^traind\.v1\./, ""); }

const prefixOf = (type: string) => Object.keys(enumValues[type])[0].replace(/UNSPECIFIED$/, "");

/** An enum's names as a job file has them: without what they all begin with. */
export function enumChoices(type: string): string[] {
  return Object.keys(enumValues[type]).slice(1).map((name) => name.replace(prefixOf(type), ""));
}

function enumOf(type: string, name: string): string|undefined {
  const values = enumValues[type];
  return [name, prefixOf(type) + name].find((full) => Object.prototype.hasOwnProperty.call(values, full));
}

export function shortEnum(type: string, name: string): string { return name.replace(prefixOf(type), ""); }

/** Reads `source` as a message of the type of this name. */
export function parseText(source: string, type: string): Parsed {
  const parser = new Parser(source), fields = parser.message(typeOf(type), "", "");
  return {fields, problems: parser.problems.sort((a, b) => a.at - b.at), places: parser.places};
}
