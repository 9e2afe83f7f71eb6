/** Parsing of durations, sizes and counts: agrees with exact arithmetic, or fails with a single message. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { parseHalt } from "../../cli/args/halt.ts";
import { parseCount, parseDuration, parseJobs, parseLoad, parsePort, parseSize } from "../../cli/args/units.ts";
import { UsageError } from "../../cli/args/usage_error.ts";
import { haltPolicy } from "../../pool/halt.ts";
import { assertExpected, textOf } from "./target.ts";

export const tokens = [
  ..."0 1 9 . - + e E x % d h m s ms k K M G T P now, soon, fail= success= done=".split(" "),
  "999999999999999999",
];

export const seeds = [
  "500ms",
  "1m30s",
  "1.005k",
  "8P",
  "0",
  "1.5",
  "50%",
  "2h0.5s",
  "now,fail=10%",
  "65536",
  "1e3",
  "٣",
  "24d20h31m23s647ms",
];

export function fuzz(data: Uint8Array): void {
  const text = textOf(data);
  const parse = <T>(parser: (flag: string, text: string) => T) => {
    try {
      return parser("--flag", text);
    } catch (error) {
      assertExpected(error, UsageError);
      return undefined;
    }
  };
  const duration = parse(parseDuration);
  assertClose(duration, exactDuration(text), 1e-9, (ms) => ms < 2 ** 31);
  assertClose(parse(parseSize), exactSize(text), 0.5, (bytes) => bytes < 2 ** 53);
  const count = /^[0-9]+$/.test(text) && BigInt(text) < 2n ** 53n ? Number(text) : undefined;
  assertEquals(parse(parseCount), count);
  assertEquals(parse(parsePort), count !== undefined && count < 65536 ? count : undefined);
  const jobs = parse((flag, text) => parseJobs(flag, text, 4));
  assert(jobs === undefined || Number.isSafeInteger(jobs) && jobs >= 1);
  const load = parse((flag, text) => parseLoad(flag, text, 4));
  assert(load === undefined || load > 0 && load < Infinity);
  const halt = parse(parseHalt);
  if (halt) {
    haltPolicy(halt, "Cannot halt"); // what the command takes, the library takes, too
    const { when, on, count, percent } = halt;
    assertEquals(parseHalt("--halt", `${when},${on}=${percent === undefined ? count : `${percent}%`}`), halt);
  }
}

/** Asserts that a number is within a tolerance of the exact value, or that neither exists. */
function assertClose(
  given: number | undefined,
  exact: Fraction | undefined,
  by: number,
  fits: (value: number) => boolean,
) {
  const value = exact && Number(exact.numerator) / Number(exact.denominator);
  if (value === undefined || !fits(value + by)) {
    return assert(given === undefined || fits(given), `${given} for ${value}`);
  }
  assert(given !== undefined && Math.abs(given - value) <= by + value * 1e-12, `${given} for ${value}`);
}

interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

function exactSize(text: string): Fraction | undefined {
  const unit = /[kmgtp]$/i.exec(text)?.[0] ?? "";
  const number = decimal(text.slice(0, text.length - unit.length));
  const power = BigInt(" kmgtp".indexOf(unit.toLowerCase() || " "));
  return number && { ...number, numerator: number.numerator * (/[a-z]/.test(unit) ? 1000n : 1024n) ** power };
}

const UNITS_MS = [["d", 86_400_000n], ["h", 3_600_000n], ["m", 60_000n], ["s", 1000n], ["ms", 1n]] as const;

function exactDuration(text: string): Fraction | undefined {
  const parts = decimal(text) ? [`${text}s`] : text.match(/[^a-z]+[a-z]+/g) ?? [];
  if (parts.length === 0 || !decimal(text) && parts.join("") !== text) return undefined;
  let [sum, next]: [Fraction, number] = [{ numerator: 0n, denominator: 1n }, 0];
  for (const part of parts) {
    const unit = /[a-z]+$/.exec(part)![0];
    const index = UNITS_MS.findIndex(([name]) => name === unit);
    const number = decimal(part.slice(0, part.length - unit.length));
    if (!number || index < next) return undefined;
    next = index + 1;
    sum = {
      numerator: sum.numerator * number.denominator + number.numerator * UNITS_MS[index]![1] * sum.denominator,
      denominator: sum.denominator * number.denominator,
    };
  }
  return sum;
}

/** Parses digits with an optional fraction. */
function decimal(text: string): Fraction | undefined {
  const [whole = "", fraction = "0", ...more] = text.split(".");
  if (more.length > 0 || ![whole, fraction].every((digits) => /^[0-9]+$/.test(digits))) return undefined;
  return { numerator: BigInt(whole + fraction), denominator: 10n ** BigInt(fraction.length) };
}
