/** Configurations beside each other, field by field. Pure. */
import {Field, Fields, Type, typeOf, Value} from "web/rpc/wire";
import {present, scalarText} from "web/text/print";

/** Paths and values of everything that a message holds. An empty message is "{}". Layers stand under their names, so
 *  that one more in the middle does not make all that follow different. */
export function flatten(message: unknown, type: string): Map<string, string> {
  const flat = new Map<string, string>();
  walk(typeOf(type), message as Fields, "", (path, value) => flat.set(path, value));
  return flat;
}

/** Of the same paths: in which message the field is, and what type it has. */
export function origins(message: unknown, type: string): Map < string, {
  message: string;
  field: Field
}
> {
  const found = new Map < string, {
    message: string;
    field: Field
  }
  > ();
  walk(typeOf(type), message as Fields, "", (path, _, of, field) => found.set(path, {message: of.name, field}));
  return found;
}

type Visit = (path: string, value: string, of: Type, field: Field) => void;

/** `from`: the field that holds the message. */
function walk(type: Type, fields: Fields, path: string, visit: Visit, from?: [Type, Field]) {
  const there = present(type, fields);
  if (!there.length && from) visit(path.slice(0, -1), "{}", ...from);
  for (const [field, value] of there) {
    const own = path + field.name;
    if (field.label === "map")
      (value as Map<string, string>).forEach((text, key) => visit(`${own}.${key}`, text, type, field));
    else if (field.label === "repeated" && field.kind === "message") {
      (value as Fields[]).forEach((item, i) => {
        const key = typeof item.name === "string" && item.name || i;
        walk(typeOf(field.type), item, `${own}[${key}].`, visit, [type, field]);
      });
    } else if (field.label === "repeated")
      visit(own, (value as Value[]).map((item) => scalarText(field, item)).join(", "), type, field);
    else if (field.kind === "message")
      walk(typeOf(field.type), value as Fields, `${own}.`, visit, [type, field]);
    else
      visit(own, scalarText(field, value), type, field);
  }
}

/** What differs between configurations. A layer (or another named part) that only some of them have is one row. */
export function differences(flat: Map<string, string>[]): {path: string; values: (string | undefined)[]}[] {
  const paths = [...new Set(flat.flatMap((one) => [...one.keys()]))],
        rows: {path: string; values: (string | undefined)[]}[] = [], done = new Set<string>();
  const prefixes = flat.map((one) => new Set([...one.keys()].flatMap((path) => partsOf(path))));
  for (const path of paths) {
    const values = flat.map((one) => one.get(path));
    if (values.every((value) => value === values[0])) continue;
    const part = partsOf(path).find((prefix) => prefixes.some((one) => !one.has(prefix)));
    if (!part) {
      rows.push({path, values});
      continue;
    }
    if (done.has(part)) continue;
    done.add(part);
    rows.push({path: part, values: flat.map((one, i) => prefixes[i].has(part) ? inside(one, part) : undefined)});
  }
  return rows;
}

/** "network.layers[conv1].conv2d.kernel": "network.layers[conv1]". */
const partsOf = (path: string): string[] => [...path.matchAll(/\]/g)].map((match) => path.slice(0, match.index! + 1));

function inside(one: Map<string, string>, part: string): string {
  const fields = [...one]
                     .filter(([path]) => path.startsWith(`${part}.`) && path !== `${part}.name`)
                     .map(([path, value]) => `${path.slice(part.length + 1)}: ${value}`);
  return fields.length > 3 ? `${fields.slice(0, 3).join(", ")}, …` : fields.join(", ");
}

/** All paths of a message, those of the messages in it included. */
export function pathsOf(message: unknown, type: string): Set<string> {
  const paths = new Set<string>();
  const visit = (t: Type, fields: Fields, path: string) => {
    for (const [field, value] of present(t, fields)) {
      const own = path + field.name;
      if (field.label === "repeated" && field.kind === "message") {
        (value as Fields[]).forEach((item, i) => {
          paths.add(`${own}[${i}]`);
          visit(typeOf(field.type), item, `${own}[${i}].`);
        });
      } else {
        paths.add(own);
        if (field.kind === "message" && field.label !== "map") visit(typeOf(field.type), value as Fields, `${own}.`);
      }
    }
  };
  visit(typeOf(type), message as Fields, "");
  return paths;
}
