/** A job file in colours: spans of text, never markup. */
import {h} from "web/dom";
import {tokenize} from "web/text/parse";

export function highlight(source: string): Node[] {
  const nodes: Node[] = [], {tokens} = tokenize(source);
  let at = 0;
  const plain = (to: number) => {
    for (const part of source.slice(at, to).split(/(#[^\n]*)/)) {
      if (part.startsWith("#"))
        nodes.push(h("span", {class: "comment"}, part));
      else if (part)
        nodes.push(document.createTextNode(part));
    }
    at = to;
  };
  tokens.forEach((token, i) => {
    if (token.kind === "end") return;
    plain(token.at);
    const next = tokens[i + 1]?.text,
          kind = token.kind === "name" ? next === ":" || next === "{" || next === "<" ? "key" : "value" : token.kind;
    nodes.push(kind === "mark" ? document.createTextNode(token.text) : h("span", {class: kind}, token.text));
    at = token.end;
  });
  plain(source.length);
  return nodes;
}
