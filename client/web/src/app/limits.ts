/** Limits of quotas as people write them, which is as `trainctl user set --quota` has them. Pure. */
import {big} from "web/format";

const units = ["", "KiB", "MiB", "GiB", "TiB"];
/** SetUserRequest's word for "as the server has it". */
export const ofServer = -1;

/** "4", "8GiB", "none"; empty: the server's. undefined: none of these. */
export function limitOf(text: string, bytes: boolean): number|undefined {
  const words = text.trim();
  if (!words) return ofServer;
  if (words === "none") return Infinity;
  const [, digits, unit] = /^(\d{1,15})\s*([KMGT]iB)?$/.exec(words) ?? [];
  if (!digits || unit && !bytes) return undefined;
  const value = Number(digits) * 1024 ** units.indexOf(unit ?? "");
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Such that limitOf gives the number again. */
export function limitText(value: number|undefined, bytes: boolean): string {
  if (value === undefined) return "";
  if (value === Infinity) return "none";
  let unit = 0;
  while (bytes && unit < 4 && value > 0 && value % 1024 === 0) {
    value /= 1024;
    unit++;
  }
  return `${value}${units[unit]}`;
}

export const shortLimit = (value: number, bytes: boolean) => value === Infinity ? "no limit" :
    bytes                                                                       ? limitText(value, true) :
                                                                                  big(value);
