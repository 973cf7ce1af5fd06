/** What a field is when nobody says it, as far as its comment in the .proto files tells. Pure. */

/** Of "At least 0. Default 0.9." it is "0.9"; empty: the comment names none. */
export const defaultOf = (comment: string) => /\bDefault:? (.+?)[.;](?=\s|$)/.exec(comment)?.[1] ?? "";

/** Whether a printed value is this default. */
export function isDefault(value: string, standard: string): boolean {
  const plain = (text: string) => text.trim().toLowerCase().replace(/^"(.*)"$/, "$1");
  const [a, b] = [plain(value), plain(standard)];
  return b !== "" && (a === b || Number.isFinite(Number(a)) && Number(a) === Number(b));
}
