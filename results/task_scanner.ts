import { encodeWords, type JsonScanner, maskOf, recordFields } from "../jsonl/json_scanner.ts";
import { isResourceName } from "../records/resource_use.ts";
import type { Task } from "../records/task.ts";
import { emptySpan, type Span, spanOfText, textOf } from "./span.ts";

/** Any number of milliseconds with this number of digits is within the limit of a timer. */
const TIMEOUT_DIGITS = 9;
const EQUALS_SIGN = 0x3d;
const RUN_IF = ["ok", "failed", "done"] as const satisfies readonly Task["runIf"][];
const QUOTED_RUN_IF = encodeWords(RUN_IF.map((word) => `"${word}"`));

/**
 * Checks that a line is a task, and finds its id and its command, without parsing the line. The scanner may reject a valid
 * task, which {@linkcode parseTask} then decides. It never accepts an invalid task.
 */
export class TaskScanner {
  /** A string, or the digits of an integer. */
  readonly id: Span = emptySpan();
  hasId = false;
  isIdNumber = false;
  /** The text of a shell command, or the JSON of an array. */
  readonly cmd: Span = emptySpan();
  isShellCommand = false;
  /** True if the task has `after`, which can be an empty array. */
  hasPrerequisites = false;
  /** True if the task has `uses` or `slots`. */
  usesCapacity = false;
  /** True if the task has `after`, `priority`, `uses` or `slots`. */
  isWorkflow = false;
  /** The outcomes of the prerequisites with which the task runs. */
  runIf: NonNullable<Task["runIf"]> = "ok";
  /** The JSON of `after`. */
  readonly #after: Span = emptySpan();
  #isAfterEmpty = false;
  readonly #prerequisite: Span = emptySpan();
  readonly #json: JsonScanner;
  /** In the usual order. */
  readonly #fields = recordFields({
    id: (json) => {
      this.isIdNumber = !spanOfText(json, this.id);
      return !this.isIdNumber || spanOfNumber(json, this.id);
    },
    cmd: (json) => this.#scanCommand(json),
    cwd: isNonEmptySystemText,
    env: (json) => json.dictionary(isSystemText, isVariableName),
    stdin: (json) => json.text(),
    stdinFile: isNonEmptySystemText,
    timeoutMs: (json) => json.positiveInteger(TIMEOUT_DIGITS),
    retries: (json) => json.integer(),
    meta: (json) => json.value(),
    after: (json) => this.#scanAfter(json),
    runIf: (json) => this.#scanRunIf(json),
    priority: (json) => json.signedInteger(),
    uses: (json) => json.dictionary((json) => json.integer(), isResource),
    slots: (json) => json.positiveInteger(),
  });
  readonly #cmdBit = maskOf(this.#fields, ["cmd"]);
  readonly #idBit = maskOf(this.#fields, ["id"]);
  readonly #inputBits = maskOf(this.#fields, ["stdin", "stdinFile"]);
  readonly #afterBit = maskOf(this.#fields, ["after"]);
  readonly #runIfBit = maskOf(this.#fields, ["runIf"]);
  readonly #capacityBits = maskOf(this.#fields, ["uses", "slots"]);
  readonly #workflowBits = maskOf(this.#fields, ["after", "runIf", "priority", "uses", "slots"]);

  constructor(json: JsonScanner) {
    this.#json = json;
  }

  /** Returns true when the line is a task. */
  scan(bytes: Uint8Array, begin: number, end: number): boolean {
    const bits = this.#json.document(this.#fields, bytes, begin, end);
    this.hasId = (bits & this.#idBit) !== 0;
    this.hasPrerequisites = (bits & this.#afterBit) !== 0;
    this.usesCapacity = (bits & this.#capacityBits) !== 0;
    this.isWorkflow = (bits & this.#workflowBits) !== 0;
    const hasRunIf = (bits & this.#runIfBit) !== 0;
    if (!hasRunIf) this.runIf = "ok";
    const isRunnable = this.hasPrerequisites
      ? this.hasId && !(this.#isAfterEmpty && this.runIf === "failed")
      : !hasRunIf;
    return isRunnable && (bits & this.#cmdBit) !== 0 && (bits & this.#inputBits) !== this.#inputBits;
  }

  /**
   * Calls a function with each id in `after` of the latest scanned task: a string, or the digits of an integer. The calls
   * share one span.
   */
  forEachPrerequisite(bytes: Uint8Array, onPrerequisite: (id: Span) => void): void {
    if (!this.hasPrerequisites) return;
    const [json, id] = [this.#json, this.#prerequisite];
    const scanId = () => {
      if (!spanOfText(json, id)) spanOfNumber(json, id);
      onPrerequisite(id);
      return true;
    };
    json.bytes = bytes;
    json.at = this.#after.begin;
    json.end = this.#after.end;
    if (!json.array(scanId)) scanId();
  }

  #scanAfter(json: JsonScanner): boolean {
    this.#isAfterEmpty = true;
    const scanId = () => {
      this.#isAfterEmpty = false;
      return spanOfText(json, this.#prerequisite) || spanOfNumber(json, this.#prerequisite);
    };
    this.#after.begin = json.at;
    const isValid = json.array(scanId) || this.#isAfterEmpty && scanId();
    this.#after.end = json.at;
    return isValid;
  }

  #scanRunIf(json: JsonScanner): boolean {
    const runIf = RUN_IF[json.oneOf(QUOTED_RUN_IF)];
    if (runIf) this.runIf = runIf;
    return runIf !== undefined;
  }

  #scanCommand(json: JsonScanner): boolean {
    this.isShellCommand = spanOfText(json, this.cmd);
    if (this.isShellCommand) return !json.hasCodeEscape && this.cmd.end > this.cmd.begin;
    this.cmd.begin = json.at;
    let isEmpty = true;
    if (!json.array(() => isEmpty ? isNonEmptySystemText(json) && !(isEmpty = false) : isSystemText(json))) {
      return false;
    }
    this.cmd.end = json.at;
    return !isEmpty;
  }
}

/** Scans an integer and stores the range of its digits. */
function spanOfNumber(json: JsonScanner, span: Span): boolean {
  if (!json.integer()) return false;
  span.begin = json.numberBegin;
  span.end = json.at;
  span.isEscaped = false;
  return true;
}

/** Rejects escapes such as `\u0000` and `\udce9`: such escapes may stand for a NUL, a byte, or a lone surrogate. */
function isSystemText(json: JsonScanner): boolean {
  return json.text() && !json.hasCodeEscape;
}

function isNonEmptySystemText(json: JsonScanner): boolean {
  return isSystemText(json) && json.textEnd > json.textBegin;
}

/** Returns true if the last text is the name of a resource. Rejects names with escapes. */
export function isResource({ bytes, textBegin: begin, textEnd: end, isEscaped }: JsonScanner): boolean {
  return !isEscaped && isResourceName(textOf(bytes, { begin, end, isEscaped }));
}

/** Rejects names with escapes, which are rare. */
function isVariableName({ bytes, textBegin, textEnd, isEscaped }: JsonScanner): boolean {
  for (let at = textBegin; at < textEnd; at++) if (bytes[at] === EQUALS_SIGN) return false;
  return textEnd > textBegin && !isEscaped;
}
