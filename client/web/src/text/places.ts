/** Where a violation's field stands in the text: itself, or the nearest that is there around it. */
export function placeOf(field: string, places: Map<string, {
                          at: number;
                          end: number
                        }>): {at: number; end: number}|undefined {
  for (let path = field.replace(/^spec\./, ""); path; path = path.replace(/(\.[^.[]+|\[\d+\]|^[^.[]+)$/, "")) {
    const place = places.get(path);
    if (place) return place;
  }
  return undefined;
}
