/** Addresses: #/jobs/cnn?tab=layers. Each view has one, which can be sent to somebody. */
export interface Route {
  path: string[];
  params: URLSearchParams
}

export function parseRoute(hash: string): Route {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return {path: path.split("/").filter(Boolean).map(decodeSegment), params: new URLSearchParams(query)};
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Params = Record<string, string|number|undefined>;

/** The address of a view; params that are empty are left out. */
export function address(path: string[], params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params))
    if (value !== undefined && value !== "") query.set(key, String(value));
  const text = query.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export const go = (target: string) => {
  location.hash = target;
};

/** Changes params of the address in place: the view stays as it is. */
export function remember(params: Params) {
  const route = parseRoute(location.hash);
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === "")
      route.params.delete(key);
    else
      route.params.set(key, String(value));
  }
  history.replaceState(null, "", address(route.path, Object.fromEntries(route.params)));
}
