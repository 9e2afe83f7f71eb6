/** Units of flags, and their parsers. @module */

import { availableParallelism } from "node:os";
import { MAX_TIMER_MS } from "../../system/timer_limit.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { Completion, Unit } from "./flag.ts";
import { UsageError } from "./usage_error.ts";

const SIZE_UNITS = ["", "k", "m", "g", "t", "p"];

/**
 * Parses a size in bytes, or with a unit as in GNU parallel: `64K` is 65,536, and `64k` is 64,000.
 *
 * @param max the largest size, as text.
 */
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
  // Rounded to the nearest integer, because 1.005 * 1000 is a bit less than 1005.
  return Math.round(Number(digits) * base ** SIZE_UNITS.indexOf(unit.toLowerCase()));
}

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/** Parses a duration such as `500ms`, `30s` or `1m30s`; a number is in seconds, as for timeout(1). Returns milliseconds. */
export function parseDuration(flag: string, text: string, minMs = 0): number {
  const units = Object.keys(UNITS_MS).map((unit) => `(?:(\\d+(?:\\.\\d+)?|\\.\\d+)${unit})?`).join("");
  const parts = text === "" ? null : new RegExp(`^${units}$`).exec(/^[\d.]+$/.test(text) ? `${text}s` : text);
  if (!parts) throw new UsageError(`${flag} must be a duration such as 500ms, 30s, 1m30s or 2h, got ${excerpt(text)}`);
  const durationMs = Object.values(UNITS_MS).reduce((sum, ms, index) => sum + ms * Number(parts[index + 1] ?? 0), 0);
  if (durationMs > MAX_TIMER_MS) throw new UsageError(`${flag} must be at most 24d, got ${excerpt(text)}`);
  if (durationMs < minMs) throw new UsageError(`${flag} must be at least ${minMs}ms, got ${excerpt(text)}`);
  return durationMs;
}

/** Parses an integer. */
export function parseCount(flag: string, text: string, min = 0, max = Infinity): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= min && count <= max) return count;
  const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`${flag} must be an integer ${range}, got ${excerpt(text)}`);
}

/** Parses a load: `1.5`, or `50%` for half of the CPUs. 0 becomes 0.01, as in GNU parallel. */
export function parseLoad(flag: string, text: string, cpus: number): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (digits !== undefined) return Math.max(0.01, percent ? cpus * Number(digits) / 100 : Number(digits));
  throw new UsageError(
    `${flag} must be a number, or a percentage of the CPUs such as 50%, got ${excerpt(text)}`,
  );
}

/**
 * Number of jobs for `-j 0`, which means as many as possible. A slot without a task costs nothing, and a pool that lacks
 * processes or files waits for a running task to end.
 */
const MAX_JOBS = 10_000;

/**
 * Parses a number of jobs as GNU parallel does: `8`; `50%` for half of the CPUs; `+2` and `-2` for two jobs more or fewer
 * than CPUs; `0` for as many as possible. At least 1.
 */
export function parseJobs(flag: string, text: string, cpus: number): number {
  const [, sign, digits, percent] = /^([+-]?)(\d+)$|^(\d+)%$/.exec(text) ?? [];
  const number = Number(digits ?? percent);
  if (Number.isSafeInteger(number) && !(percent && number === 0)) {
    if (percent) return Math.max(1, Math.floor(cpus * number / 100));
    if (sign) return Math.max(1, sign === "+" ? cpus + number : cpus - number);
    return number || MAX_JOBS;
  }
  throw new UsageError(
    `${flag} must be N, +N or -N for more or fewer than the CPUs, N% of the CPUs, or 0 for as many as possible, ` +
      `got ${excerpt(text)}`,
  );
}

/** Parses a port; 0 is for a free one. */
export function parsePort(flag: string, text: string): number {
  return parseCount(flag, text, 0, 65_535);
}

/** A size in bytes. */
export const SIZE: Unit<number> = sizeUpTo(undefined);

/** Returns the unit of a size up to a limit, which is text such as `32M`. */
export function sizeUpTo(max: string | undefined): Unit<number> {
  return {
    placeholder: "SIZE",
    legend: "SIZE: bytes, or a number with k, m, g, t, p (powers of 1000) or K, M, G, T, P (powers of 1024).",
    parse: (flag, text) => parseSize(flag, text, max),
  };
}

/** A duration, in milliseconds. */
export const DURATION: Unit<number> = durationFrom(0);

/** Returns the unit of a duration of at least a number of milliseconds. */
export function durationFrom(minMs: number): Unit<number> {
  return {
    placeholder: "DUR",
    legend: "DUR: 500ms, 30s, 1m30s, or a number of seconds.",
    parse: (flag, text) => parseDuration(flag, text, minMs),
  };
}

/** Returns the unit of an integer in a range. */
export function countFrom(min: number, max?: number): Unit<number> {
  return { placeholder: "N", parse: (flag, text) => parseCount(flag, text, min, max) };
}

/** An integer, also below 0. */
export const INTEGER: Unit<number> = {
  placeholder: "N",
  parse(flag, text) {
    const integer = Number(text);
    if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(integer)) return integer;
    throw new UsageError(`${flag} must be an integer, got ${excerpt(text)}`);
  },
};

/** Returns the unit of an integer of at least `min`, or a word. */
export function countOr<Word extends string>(word: Word, min: number): Unit<number | Word> {
  return {
    placeholder: `N|${word}`,
    completes: [word],
    parse(flag, text) {
      if (text === word) return word;
      const count = Number(text);
      if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= min) return count;
      throw new UsageError(`${flag} must be ${word} or an integer of at least ${min}, got ${excerpt(text)}`);
    },
  };
}

/** A number of jobs. */
export const JOBS: Unit<number> = {
  placeholder: "N",
  legend:
    "N of --jobs: a number; N%, a percentage of the CPUs; +N or -N, N more or fewer than the CPUs; 0, up to 10,000.",
  parse: (flag, text) => parseJobs(flag, text, availableParallelism()),
};

/** A load: a number of threads. */
export const LOAD: Unit<number> = {
  placeholder: "N|N%",
  legend: "N% of --load: a percentage of the CPUs.",
  parse: (flag, text) => parseLoad(flag, text, availableParallelism()),
};

/** A TCP port. */
export const PORT: Unit<number> = { placeholder: "PORT", parse: parsePort };

/** Returns the unit of any text, such as a path. */
export function text(placeholder: string, completes?: Completion): Unit<string> {
  return { placeholder, ...completes && { completes }, parse: (_, text) => text };
}

/** Returns the unit of one of several words, which are the keys of a record so that the compiler finds a missing one. */
export function oneOf<Choice extends string>(choices: Readonly<Record<Choice, true>>): Unit<Choice> {
  const names = Object.keys(choices) as Choice[];
  return { placeholder: names.join("|"), completes: names, parse: (flag, text) => choose(flag, text, names) };
}

/** Returns the unit of a list of words, separated by commas. */
export function listOf<Choice extends string>(
  placeholder: string,
  choices: Readonly<Record<Choice, true>>,
): Unit<Choice[]> {
  const names = Object.keys(choices) as Choice[];
  return {
    placeholder: `${placeholder}[,${placeholder}]`,
    completes: names,
    isList: true,
    parse: (flag, text) => text.split(",").map((word) => choose(flag, word, names)),
  };
}

function choose<Choice extends string>(flag: string, text: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((choice) => choice === text);
  if (choice !== undefined) return choice;
  const names = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
  throw new UsageError(`${flag} must be ${names}, got ${excerpt(text)}`);
}
