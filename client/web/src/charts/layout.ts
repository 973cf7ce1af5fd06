/** Places for a network's layers: a row for each distance from the input, lanes beside each other. Pure. */
export interface GraphLayer {
  name: string;
  inputs: string[]
}
export interface Place {
  row: number;
  lane: number
}

/** The input is a layer called "input". What is named but not there is taken for the input. */
export function layout(layers: GraphLayer[]): Map<string, Place> {
  const places = new Map<string, Place>([["input", {row: 0, lane: 0}]]),
        taken = new Map<number, Set<number>>([[0, new Set([0])]]);
  for (const {name, inputs} of layers) {
    const above = inputs.map((input) => places.get(input) ?? {row: 0, lane: 0});
    const row = 1 + Math.max(0, ...above.map((place) => place.row));
    const lanes = taken.get(row) ?? new Set<number>();
    taken.set(row, lanes);
    let lane = above.length ? Math.min(...above.map((place) => place.lane)) : 0;
    while (lanes.has(lane)) lane++;
    lanes.add(lane);
    places.set(name, {row, lane});
  }
  return places;
}

/** Those at most `far` edges away from `centre`, in the order of the network. */
export function around<T extends GraphLayer>(layers: T[], centre: string, far: number): T[] {
  const near = new Set([centre]);
  for (let i = 0; i < far; i++) {
    const next: string[] = [];
    for (const {name, inputs} of layers) {
      if (near.has(name))
        next.push(...inputs);
      else if (inputs.some((input) => near.has(input)))
        next.push(name);
    }
    next.forEach((name) => near.add(name));
  }
  return layers.filter(({name}) => near.has(name));
}
