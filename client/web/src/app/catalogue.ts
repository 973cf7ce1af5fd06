/** What a job can be made of, with the comments of the .proto files: asked for once in the life of the page. */
import {Component} from "messages";
import {call} from "web/rpc/call";

export class Catalogue {
  private readonly fields = new Map<string, string>();
  readonly byMessage = new Map<string, Component>();

  constructor(components: Component[]) {
    for (const component of components) {
      this.byMessage.set(component.message, component);
      for (const field of component.fields) this.fields.set(`${component.message}.${field.name}`, field.summary);
    }
  }
  /** The comment of a field of a message; of a choice, what the chosen component says. */
  about(message: string, field: string, type: string): string {
    return this.fields.get(`${message}.${field}`) || this.byMessage.get(type)?.summary || "";
  }
}

let known: Promise<Catalogue>|undefined;

export function catalogue(): Promise<Catalogue> {
  return known ??= call("TrainingService/ListComponents", {})
                       .then(({components}) => new Catalogue(components), (error: unknown) => {
                         known = undefined;
                         throw error;
                       });
}
