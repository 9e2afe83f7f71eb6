/** Reads the facts of results: slot, times and outcome of each task. @module */

import type { Source } from "../../jsonl/source.ts";
import { isBlank, parseJson, withoutByteOrderMark } from "../../jsonl/jsonl_reader.ts";
import { LineReader } from "../../jsonl/line_reader.ts";
import {
  type EarlierAttempt,
  MAX_RESULT_LINE_BYTES,
  OUTCOMES,
  parseResult,
  type TaskResult,
} from "../../records/result.ts";
import { isResourceName } from "../../records/resource_use.ts";

/** An attempt without its output. */
export interface AttemptFacts extends Pick<TaskResult, "status" | "outcome" | "signal" | "error" | "slot" | "worker"> {
  /** Start of the attempt, in milliseconds since 1970. */
  startedMs: number;
  /** Duration of the attempt, in milliseconds. */
  durationMs: number;
  /** CPU time of the attempt, in milliseconds; `undefined` when it is unknown. */
  cpuMs: number | undefined;
}

/** A result without its output. The facts of {@linkcode AttemptFacts} are those of the last attempt. */
export interface ResultFacts extends AttemptFacts, Pick<TaskResult, "id" | "attempts" | "uses"> {
  /** The attempts before the last one that the result lists. */
  earlierAttempts: readonly AttemptFacts[];
  /** The prerequisites of the task. */
  after: readonly string[];
  /** The number of slots that each attempt occupied. */
  slots: number;
}

const NO_ATTEMPTS: readonly AttemptFacts[] = [];
const NO_IDS: readonly string[] = [];

const LF = 0x0a;

/**
 * Reads results to their end. Of a line in the form that this tool writes, parses only the beginning, up to the output;
 * parses any other line completely.
 *
 * @param onResult called for each result. Its second argument parses the whole result, and throws when the rest of the line
 * is invalid.
 * @throws {InvalidLineError} at a line that is not a result.
 */
export async function readResults(
  source: Source<Uint8Array>,
  onResult: (facts: ResultFacts, result: () => TaskResult) => void,
): Promise<void> {
  await resultReader(source, (facts, result) => {
    onResult(facts, result);
    return false;
  }).count();
}

/**
 * Iterates over selected results. Parses the others only up to their output.
 *
 * @param isWanted called for each result.
 * @throws {InvalidLineError} (from the iterator) at a line that is not a result.
 */
export async function* selectResults(
  source: Source<Uint8Array>,
  isWanted: (facts: ResultFacts) => boolean,
): AsyncGenerator<TaskResult, void> {
  for await (const { value } of resultReader(source, isWanted)) yield value;
}

/** Returns a reader of the results for which `isWanted` returns true. */
function resultReader(
  source: Source<Uint8Array>,
  isWanted: (facts: ResultFacts, result: () => TaskResult) => boolean,
): LineReader<TaskResult> {
  return new LineReader(source, {
    delimiter: LF,
    maxLineBytes: MAX_RESULT_LINE_BYTES,
    parse(text, lineNumber, isUnfinished) {
      const line = withoutByteOrderMark(text, lineNumber);
      if (isBlank(line)) return undefined;
      const result = () => parseResult(parseJson(line, isUnfinished));
      const isSelected = isWanted(factsOfBeginning(line) ?? factsOf(result()), result);
      return isSelected ? { lineNumber, value: result() } : undefined;
    },
  });
}

/** The limit of escapes keeps the regular expression from exhausting the stack. */
const STRING = String.raw`"([^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\x00-\x1f]*){0,1000})"`;
const WHOLE = String.raw`0|[1-9]\d{0,14}`;
const COUNT = String.raw`([1-9]\d{0,14})`;
const STATUS = String.raw`\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]`;
const SIGNAL = String.raw`"(SIG[A-Z0-9+-]{1,16})"`;
const NUMBER = String.raw`((?:${WHOLE})(?:\.\d{1,15})?)`;
const WORKER = String.raw`\{"host":"[^"\\\x00-\x1f]*","pid":(?:${WHOLE})\}`;

/** Skipped tasks have no attempt, and their results no output: parsing these completely is fast. */
const OUTCOME = OUTCOMES.filter((outcome) => outcome !== "skipped").join("|");

/** A result up to its output, with the fields in the order in which this tool writes them. */
const BEGINNING = new RegExp(
  `^{"id":${STRING},"status":(null|${STATUS}),"outcome":"(${OUTCOME})"(?:,"signal":${SIGNAL})?` +
    `(?:,"error":${STRING})?,"attempts":${COUNT},"slot":${COUNT}(?:,"worker":(${WORKER}))?,` +
    `"startedAt":"(\\d{4}-\\d\\d-\\d\\dT)([01]\\d|2[0-3]):([0-5]\\d):([0-5]\\d\\.\\d{3})Z","durationMs":${NUMBER}` +
    `(?:,"userMs":${NUMBER},"systemMs":${NUMBER})?,"stdout":"`,
);

function factsOfBeginning(line: string): ResultFacts | undefined {
  const match = line.endsWith("}") ? BEGINNING.exec(line) : null;
  if (!match) return undefined;
  const [, id, status, outcome, signal, error, attempts, slot, worker, day, hour, minute, second] = match;
  const [durationMs, userMs, systemMs] = match.slice(13);
  const beginOfDayMs = dayMs(day!);
  // Earlier attempts could be anywhere in the line.
  if (Number.isNaN(beginOfDayMs) || attempts !== "1") return undefined;
  const fields = workflowFields(line, match[0].length);
  if (!fields) return undefined;
  return {
    id: text(id!),
    status: status === "null" ? null : Number(status),
    outcome: outcome as TaskResult["outcome"],
    signal,
    error: error && text(error),
    attempts: 1,
    slot: Number(slot),
    worker: worker === undefined ? undefined : JSON.parse(worker),
    startedMs: beginOfDayMs + Number(hour) * 3_600_000 + Number(minute) * 60_000 + Math.round(Number(second) * 1000),
    durationMs: Number(durationMs),
    cpuMs: userMs === undefined ? undefined : Number(userMs) + Number(systemMs),
    earlierAttempts: NO_ATTEMPTS,
    ...fields,
  };
}

type WorkflowFields = Pick<ResultFacts, "after" | "uses" | "slots">;

const NO_FIELDS: WorkflowFields = { after: NO_IDS, uses: undefined, slots: 1 };
const WORKFLOW_KEYS = ['"after":', '"uses":', '"slots":'];
/** The fields from the hash of the command to the end of a result, as this tool writes them. */
const LAST_FIELDS = new Set(["cmdHash", "cmd", "after", "uses", "slots", "meta"]);

/**
 * Returns the fields of workflows, which this tool writes at the end of a line; `undefined` if they could be elsewhere, or are
 * invalid. Quotes in the text of JSON are escaped, so that a key in quotes belongs to the result or to its `meta`.
 */
function workflowFields(line: string, outputBegin: number): WorkflowFields | undefined {
  const keys = WORKFLOW_KEYS.map((key) => line.indexOf(key, outputBegin)).filter((index) => index !== -1);
  if (keys.length === 0) return NO_FIELDS;
  const begin = line.lastIndexOf('"cmdHash":"', Math.min(...keys));
  if (begin < outputBegin) return undefined;
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(`{${line.slice(begin)}`); // fails at a hash in meta, because braces are left over
  } catch {
    return undefined;
  }
  const { after = NO_IDS, uses, slots = 1 } = fields;
  if (!Array.isArray(after) || !after.every((id) => typeof id === "string")) return undefined;
  if (!Number.isSafeInteger(slots) || Number(slots) < 1 || !Object.keys(fields).every((key) => LAST_FIELDS.has(key))) {
    return undefined;
  }
  if (uses !== undefined && !isUse(uses)) return undefined;
  return { after, uses, slots: Number(slots) };
}

function isUse(value: unknown): value is Record<string, number> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.entries(value).every(([name, units]) => isResourceName(name) && Number.isSafeInteger(units) && units >= 0);
}

/** Returns the text of a JSON string. Most have no escapes. */
function text(inQuotes: string): string {
  return inQuotes.includes("\\") ? JSON.parse(`"${inQuotes}"`) : inQuotes;
}

let lastDay = { text: "", ms: 0 };

/** Returns the beginning of a day, in milliseconds since 1970; `NaN` for a day that is not in the calendar. */
function dayMs(day: string): number {
  if (day !== lastDay.text) {
    const date = new Date(`${day}00:00Z`);
    const isDay = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
    lastDay = { text: day, ms: isDay ? date.getTime() : NaN };
  }
  return lastDay.ms;
}

/** Returns the facts of a result. */
export function factsOf(result: TaskResult): ResultFacts {
  const { id, attempts, earlierAttempts, after = NO_IDS, uses, slots = 1 } = result;
  return {
    id,
    attempts,
    ...attemptFacts(result),
    earlierAttempts: earlierAttempts?.map(attemptFacts) ?? NO_ATTEMPTS,
    after,
    uses,
    slots,
  };
}

function attemptFacts(
  { status, outcome, signal, error, slot, worker, startedAt, durationMs, userMs, systemMs }:
    | EarlierAttempt
    | TaskResult,
): AttemptFacts {
  const startedMs = Date.parse(startedAt);
  const cpuMs = userMs === undefined ? undefined : userMs + (systemMs ?? 0);
  return { status, outcome, signal, error, slot, worker, startedMs, durationMs, cpuMs };
}
