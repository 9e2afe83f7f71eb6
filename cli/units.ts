import { excerpt } from "../internal/excerpt.ts";
import { UsageError } from "./usage_error.ts";

const SIZE_UNITS = ["", "k", "m", "g"];

/** `64K` is 65,536 and `64k` is 64,000, as in GNU parallel; without a unit it is bytes. */
export function parseSize(flag: string, text: string, max: string): number {
  const size = bytes(text);
  if (Number.isNaN(size)) {
    throw new UsageError(`${flag} must be a size such as 500000, 64K or 1.5M, got ${excerpt(text)}`);
  }
  if (size > bytes(max)) throw new UsageError(`${flag} must be at most ${max}, got ${excerpt(text)}`);
  return size;
}

function bytes(text: string): number {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)([kKmMgG]?)$/.exec(text) ?? [];
  const base = unit === unit.toLowerCase() ? 1000 : 1024;
  return Math.floor(Number(digits) * base ** SIZE_UNITS.indexOf(unit.toLowerCase()));
}

/** `8` is 8 jobs; `50%` is half of the CPUs, at least one. */
export function parseJobs(flag: string, text: string, cpus: number): number {
  const [, digits, percent] = /^(\d+)(%?)$/.exec(text) ?? [];
  const number = Number(digits);
  if (number >= 1 && Number.isSafeInteger(number)) {
    return percent ? Math.max(1, Math.floor(cpus * number / 100)) : number;
  }
  throw new UsageError(
    `${flag} must be a number of at least 1, or a percentage of the CPUs such as 50%, got ${excerpt(text)}`,
  );
}
