import { excerpt } from "../../text/excerpt.ts";
import { MAX_TIMEOUT_MS } from "../../records/task.ts";
import { UsageError } from "./usage_error.ts";

const SIZE_UNITS = ["", "k", "m", "g", "t", "p"];

/** `64K` is 65,536 and `64k` is 64,000, as in GNU parallel; without a unit it is bytes. */
export function parseSize(flag: string, text: string, max?: string): number {
  const size = bytes(text);
  if (Number.isNaN(size)) {
    throw new UsageError(`${flag} must be a size such as 500000, 64K or 1.5M, got ${excerpt(text)}`);
  }
  if (!Number.isSafeInteger(size)) throw new UsageError(`${flag} must be less than 8P, got ${excerpt(text)}`);
  if (max !== undefined && size > bytes(max)) {
    throw new UsageError(`${flag} must be at most ${max}, got ${excerpt(text)}`);
  }
  return size;
}

function bytes(text: string): number {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)([kKmMgGtTpP]?)$/.exec(text) ?? [];
  const base = unit === unit.toLowerCase() ? 1000 : 1024;
  // Not rounded down: 1.005 * 1000 is a bit less than 1005.
  return Math.round(Number(digits) * base ** SIZE_UNITS.indexOf(unit.toLowerCase()));
}

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/** `500ms`, `30s` or `1m30s`, in milliseconds; a number without a unit is seconds, as for timeout(1). */
export function parseDuration(flag: string, text: string, minMs = 0): number {
  const units = Object.keys(UNITS_MS).map((unit) => `(?:(\\d+(?:\\.\\d+)?)${unit})?`).join("");
  const parts = text === "" ? null : new RegExp(`^${units}$`).exec(/^[\d.]+$/.test(text) ? `${text}s` : text);
  if (!parts) throw new UsageError(`${flag} must be a duration such as 500ms, 30s, 1m30s or 2h, got ${excerpt(text)}`);
  const durationMs = Object.values(UNITS_MS).reduce((sum, ms, index) => sum + ms * Number(parts[index + 1] ?? 0), 0);
  if (durationMs > MAX_TIMEOUT_MS) throw new UsageError(`${flag} must be at most 24d, got ${excerpt(text)}`);
  if (durationMs < minMs) throw new UsageError(`${flag} must be at least ${minMs}ms, got ${excerpt(text)}`);
  return durationMs;
}

/** A whole number. */
export function parseCount(flag: string, text: string, min = 0, max = Infinity): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= min && count <= max) return count;
  const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`${flag} must be a whole number ${range}, got ${excerpt(text)}`);
}

/** `1.5` is a load of 1.5; `50%` is half of the CPUs. 0 is next to nothing, as in GNU parallel. */
export function parseLoad(flag: string, text: string, cpus: number): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (digits !== undefined) return Math.max(0.01, percent ? cpus * Number(digits) / 100 : Number(digits));
  throw new UsageError(
    `${flag} must be a number, or a percentage of the CPUs such as 50%, got ${excerpt(text)}`,
  );
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

/** A port, or 0 for any that is free. */
export function parsePort(flag: string, text: string): number {
  return parseCount(flag, text, 0, 65_535);
}
