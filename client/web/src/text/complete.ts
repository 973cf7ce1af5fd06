/** What may stand at a place of a job file: fields of the message around it, or values of the field before it. Pure. */
import {Field, Type, typeOf} from "web/rpc/wire";
import {enumChoices, tokenize} from "web/text/parse";

export interface Choice {
  label: string;
  insert: string;
  detail: string;
  message: string;
  field: string
}
export interface Completion {
  from: number;
  choices: Choice[];
  type: Type
}

/** The message whose braces are open at `at`, with the field that its value would belong to. */
export function contextAt(source: string, at: number, root: string):
    {type: Type|undefined; pending: Field | undefined; word: string; from: number} {
  const before = source.slice(0, at), word = /[A-Za-z_0-9]*$/.exec(before)![0], from = at - word.length;
  const {tokens} = tokenize(source.slice(0, from));
  const stack: (Type|undefined)[] = [typeOf(root)];
  let field: Field|undefined, colon = false;
  for (const token of tokens) {
    const type = stack[stack.length - 1];
    if (token.kind === "end") break;
    if (token.text === "{" || token.text === "<") {
      stack.push(field?.kind === "message" ? typeOf(field.type) : undefined);
      [field, colon] = [undefined, false];
    } else if (token.text === "}" || token.text === ">") {
      if (stack.length > 1) stack.pop();
      [field, colon] = [undefined, false];
    } else if (token.text === ":")
      colon = true;
    else if (token.kind === "name" && !colon)
      field = type?.byName.get(token.text);
    else if (!["[", ",", "-"].includes(token.text))
      [field, colon] = [undefined, false];
  }
  return {type: stack[stack.length - 1], pending: colon ? field : undefined, word, from};
}

const opening = (field: Field) => field.kind === "message" ? `${field.name} {  }` :
    field.kind === "string" ? `${field.name}: ""` :
                              `${field.name}: `;

/** `values` knows what texts a field may have, such as the names of datasets. */
export function complete(source: string, at: number, root: string, values: (field: string) => string[]): Completion|
    undefined {
  const {type, pending, word, from} = contextAt(source, at, root);
  const begins = (label: string) => label.toLowerCase().startsWith(word.toLowerCase());
  if (pending) {
    const labels = pending.kind === "enum" ? enumChoices(pending.type) :
        pending.kind === "bool"            ? ["true", "false"] :
        pending.kind === "string"          ? values(pending.name).map((v) => `"${v}"`) :
                                             [];
    return labels.length ? {
      from,
      type: type!,
      choices: labels.filter(begins).map(
          (label) => ({label, insert: label, detail: "", message: type!.name, field: pending.name}))
    } :
                           undefined;
  }
  if (!type) return undefined;
  const choices =
      type.fields.filter((field) => begins(field.name))
          .map((field) => ({
                 label: field.name,
                 insert: opening(field),
                 message: type.name,
                 field: field.name,
                 detail: field.kind === "message" || field.kind === "enum" ? field.type.replace(/^.*\./, "") :
                     field.label === "map"                                 ? "labels" :
                                             (field.label === "repeated" ? "repeated " : "") + field.kind,
               }));
  return {from, choices, type};
}

/** Where the cursor stands after an insertion: between braces or quotes. */
export const cursorIn = (insert: string) => insert.endsWith("{  }") ? insert.length - 2 :
    insert.endsWith('""')                                           ? insert.length - 1 :
                                                                      insert.length;
