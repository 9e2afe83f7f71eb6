import { type JsonScanner, maskOf, recordFields } from "../jsonl/json_scanner.ts";
import { emptySpan, type Span, spanOfText } from "./span.ts";

/** Any number of milliseconds with this number of digits is within the limit of a timer. */
const TIMEOUT_DIGITS = 9;
const EQUALS_SIGN = 0x3d;

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
  readonly #json: JsonScanner;
  /** In the usual order. */
  readonly #fields = recordFields({
    id: (json) => this.#scanId(json),
    cmd: (json) => this.#scanCommand(json),
    cwd: isNonEmptySystemText,
    env: (json) => json.dictionary(isSystemText, isVariableName),
    stdin: (json) => json.text(),
    stdinFile: isNonEmptySystemText,
    timeoutMs: (json) => json.positiveInteger(TIMEOUT_DIGITS),
    retries: (json) => json.integer(),
    meta: (json) => json.value(),
  });
  readonly #cmdBit = maskOf(this.#fields, ["cmd"]);
  readonly #idBit = maskOf(this.#fields, ["id"]);
  readonly #inputBits = maskOf(this.#fields, ["stdin", "stdinFile"]);

  constructor(json: JsonScanner) {
    this.#json = json;
  }

  /** Returns true when the line is a task. */
  scan(bytes: Uint8Array, begin: number, end: number): boolean {
    const bits = this.#json.document(this.#fields, bytes, begin, end);
    this.hasId = (bits & this.#idBit) !== 0;
    return (bits & this.#cmdBit) !== 0 && (bits & this.#inputBits) !== this.#inputBits;
  }

  #scanId(json: JsonScanner): boolean {
    this.isIdNumber = !spanOfText(json, this.id);
    if (!this.isIdNumber) return true;
    if (!json.integer()) return false;
    this.id.begin = json.numberBegin;
    this.id.end = json.at;
    this.id.isEscaped = false;
    return true;
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

/** Rejects escapes such as `\u0000` and `\udce9`: such escapes may stand for a NUL, a byte, or a lone surrogate. */
function isSystemText(json: JsonScanner): boolean {
  return json.text() && !json.hasCodeEscape;
}

function isNonEmptySystemText(json: JsonScanner): boolean {
  return isSystemText(json) && json.textEnd > json.textBegin;
}

/** Rejects names with escapes, which are rare. */
function isVariableName({ bytes, textBegin, textEnd, isEscaped }: JsonScanner): boolean {
  for (let at = textBegin; at < textEnd; at++) if (bytes[at] === EQUALS_SIGN) return false;
  return textEnd > textBegin && !isEscaped;
}
