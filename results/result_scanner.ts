import { OUTCOMES } from "../records/result.ts";
import { encodeWords, type JsonScanner, maskOf, recordFields } from "../jsonl/json_scanner.ts";
import { emptySpan, type Span, spanOfText } from "./span.ts";
import { isResource } from "./task_scanner.ts";

const NULL = encodeWords(["null"]);
const BASE64 = encodeWords(['"base64"']);
const QUOTED_OUTCOMES = encodeWords(OUTCOMES.map((outcome) => `"${outcome}"`));
const SKIPPED = OUTCOMES.indexOf("skipped");
/** An exit status is a byte. */
const STATUS_DIGITS = 3;
const MAX_STATUS = 255;
const SIGNAL_PREFIX = encodeWords(["SIG"])[0]!;
const MAX_SIGNAL_LENGTH = 12;

/**
 * Checks that a line is a result, and finds the fields that resuming needs, without parsing the line. The scanner may
 * reject a valid result, which {@linkcode parseResult} then decides. It never accepts an invalid result.
 */
export class ResultScanner {
  readonly id: Span = emptySpan();
  /** The index in {@linkcode OUTCOMES}. */
  outcome = 0;
  readonly cmdHash: Span = emptySpan();
  hasCmdHash = false;
  #hasAttempts = false;
  #hasSlot = false;
  readonly #json: JsonScanner;
  readonly #worker = recordFields({ host: (json) => json.text(), pid: (json) => json.integer() });
  readonly #isWorker = maskOf(this.#worker, ["host", "pid"]);
  /** In the order in which results are written. */
  readonly #fields = recordFields({
    id: (json) => spanOfText(json, this.id),
    status: (json) => json.oneOf(NULL) === 0 || json.integer(STATUS_DIGITS) && isStatus(json),
    outcome: (json) => (this.outcome = json.oneOf(QUOTED_OUTCOMES)) !== -1,
    signal: (json) => json.text() && isUsualSignal(json),
    error: (json) => json.text(),
    attempts: (json) => json.integer() && this.#noteAttempts(json),
    slot: (json) => json.integer() && this.#noteSlot(json),
    worker: (json) => json.record(this.#worker) === this.#isWorker,
    startedAt: (json) => json.text() && isUsualTime(json),
    durationMs: (json) => json.decimal(),
    userMs: (json) => json.decimal(),
    systemMs: (json) => json.decimal(),
    stdout: (json) => json.text(),
    stdoutEncoding: (json) => json.oneOf(BASE64) === 0,
    stdoutBytes: (json) => json.integer(),
    stdoutFile: (json) => json.text(),
    stderr: (json) => json.text(),
    stderrEncoding: (json) => json.oneOf(BASE64) === 0,
    stderrBytes: (json) => json.integer(),
    stderrFile: (json) => json.text(),
    cmdHash: (json) => spanOfText(json, this.cmdHash),
    cmd: (json) => json.text() || json.array((json) => json.text()),
    after: (json) => json.array((json) => json.text()),
    uses: (json) => json.dictionary((json) => json.integer(), isResource),
    slots: (json) => json.positiveInteger(),
    meta: (json) => json.value(),
  });
  readonly #required = maskOf(
    this.#fields,
    ["id", "status", "outcome", "attempts", "slot", "startedAt", "durationMs", "stdout", "stderr"],
  );
  readonly #cmdHashBit = maskOf(this.#fields, ["cmdHash"]);

  constructor(json: JsonScanner) {
    this.#json = json;
  }

  /** Returns true when the line is a result. */
  scan(bytes: Uint8Array, begin: number, end: number): boolean {
    const bits = this.#json.document(this.#fields, bytes, begin, end);
    this.hasCmdHash = (bits & this.#cmdHashBit) !== 0;
    const hasRun = this.outcome !== SKIPPED;
    return (bits & this.#required) === this.#required && this.#hasAttempts === hasRun && this.#hasSlot === hasRun;
  }

  #noteAttempts(json: JsonScanner): boolean {
    this.#hasAttempts = isPositive(json);
    return true;
  }

  #noteSlot(json: JsonScanner): boolean {
    this.#hasSlot = isPositive(json);
    return true;
  }
}

/** Returns true when the last integer is not 0. */
function isPositive({ bytes, numberBegin }: JsonScanner): boolean {
  return bytes[numberBegin] !== ZERO;
}

/** Returns true when the digits before the position are at most an exit status. */
function isStatus({ bytes, at }: JsonScanner): boolean {
  let status = 0;
  for (let factor = 1, index = at - 1; factor < 1_000 && isDigit(bytes[index]); factor *= 10, index--) {
    status += factor * (bytes[index]! - ZERO);
  }
  return status <= MAX_STATUS;
}

/** Returns true for a name such as `SIGKILL`: letters and digits only. */
function isUsualSignal({ bytes, textBegin, textEnd }: JsonScanner): boolean {
  const length = textEnd - textBegin;
  if (length <= SIGNAL_PREFIX.length || length > MAX_SIGNAL_LENGTH) return false;
  for (let index = 0; index < length; index++) {
    const byte = bytes[textBegin + index]!;
    if (index < SIGNAL_PREFIX.length ? byte !== SIGNAL_PREFIX[index] : !isDigit(byte) && !isCapital(byte)) return false;
  }
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9;
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** The format of `Date.prototype.toISOString()`, such as `2026-01-02T03:04:05.678Z`, with `0` for a digit. */
const TIME_FORM = encodeWords(["0000-00-00T00:00:00.000Z"])[0]!;
const ZERO = 0x30;

/** Number of days of each month in a common year, from January. */
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

function isUsualTime({ bytes, textBegin, textEnd }: JsonScanner): boolean {
  if (textEnd - textBegin !== TIME_FORM.length) return false;
  for (let index = 0; index < TIME_FORM.length; index++) {
    const form = TIME_FORM[index]!;
    const byte = bytes[textBegin + index]!;
    if (form === ZERO ? !isDigit(byte) : byte !== form) return false;
  }
  const day = twoDigits(bytes, textBegin + 8);
  return day >= 1 && day <= (DAYS[twoDigits(bytes, textBegin + 5) - 1] ?? 0) &&
    twoDigits(bytes, textBegin + 11) <= 23 &&
    twoDigits(bytes, textBegin + 14) <= 59 &&
    twoDigits(bytes, textBegin + 17) <= 59;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return 10 * (bytes[at]! - ZERO) + bytes[at + 1]! - ZERO;
}
