/**
 * Parses the channel on which a shell worker reports.
 *
 * The channel carries control lines, which begin with the secret token of the worker, and messages of the shell. Only
 * control lines have an effect. `docs/worker_protocol.md` specifies the protocol.
 *
 * @module
 */

/** The report of one attempt. */
export interface WorkerReport {
  /** The exit status of the attempt; `null` when the shell that waited for the attempt did not report it. */
  status: number | null;
  /** True when the file for standard error is empty. */
  stderrIsEmpty: boolean;
  /** CPU time in user mode of all children of the worker so far, in milliseconds. */
  userMs: number;
  /** CPU time in kernel mode of all children of the worker so far, in milliseconds. */
  systemMs: number;
  /** Messages of the shell since the previous report, such as `Killed`. */
  messages: string;
}

/** An event on the channel. */
export type WorkerEvent =
  /** The command begins. The uptime of Linux is absent where the shell cannot read it. */
  | { kind: "begin"; uptimeMs: number | undefined }
  | { kind: "report"; report: WorkerReport }
  | { kind: "violation"; reason: string };

const STATUS = String.raw`\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]`;
/** The start of an attempt, the status of an attempt with pipes, or a report. */
const CONTROL_LINE = new RegExp(
  String
    .raw`^(?:begin (?<beginNumber>\d+) (?<uptime>\d{1,12}\.\d\d)?|status (?<statusNumber>\d+) (?<pipedStatus>${STATUS})|` +
    String.raw`(?<reportNumber>\d+) (?<status>${STATUS}|-) (?<stderr>[01]))$`,
);

/** The longest line, and the longest messages, to keep. Shells print far less. */
const MAX_CHARACTERS = 64 * 1024;

const TIME = String.raw`(\d{1,12})m(\d{1,2})(?:[.,](\d{1,9}))?s`;
const TIMES = new RegExp(`^${TIME} ${TIME}$`);
const SHELL_TIMES = new RegExp(`${TIME} ${TIME}$`);

/** Parses the channel of one worker. Never throws. */
export class WorkerReportReader {
  readonly #prefix: string;
  readonly #decoder = new TextDecoder();
  /** An incomplete line. */
  #partial = "";
  #messages: string[] = [];
  #messagesLength = 0;
  /** The numbers of the reports that are due, in their order. */
  readonly #expected: number[] = [];
  #hasBegun = false;
  /** The status of an attempt with pipes, which precedes its report. */
  #status: number | null = null;

  /** @param token The beginning of each control line. */
  constructor(token: string) {
    this.#prefix = `${token} `;
  }

  /** Adds the number of a report. A control line with another number than that of the next report is a violation. */
  expect(number: number): void {
    if (this.#expected.push(number) === 1) this.#beginAttempt();
  }

  #beginAttempt(): void {
    this.#hasBegun = false;
    this.#status = null;
    this.#clearMessages();
  }

  /** Parses bytes from the channel. Events after a violation must not be used. */
  push(bytes: Uint8Array): WorkerEvent[] {
    const lines = (this.#partial + this.#decoder.decode(bytes, { stream: true })).split("\n");
    // Control lines are short, so the rest of a long line is irrelevant.
    this.#partial = lines.pop()!.slice(0, MAX_CHARACTERS);
    const events: WorkerEvent[] = [];
    for (const line of lines) {
      const event = line.startsWith(this.#prefix)
        ? this.#parseControlLine(line.slice(this.#prefix.length))
        : this.#addMessage(line);
      if (event) events.push(event);
    }
    return events;
  }

  #addMessage(line: string): undefined {
    if (this.#messagesLength > MAX_CHARACTERS) this.#clearMessages(); // only the last two lines, the times, matter
    this.#messages.push(line);
    this.#messagesLength += line.length;
  }

  #clearMessages(): void {
    this.#messages = [];
    this.#messagesLength = 0;
  }

  #parseControlLine(text: string): WorkerEvent | undefined {
    const fields = CONTROL_LINE.exec(text)?.groups;
    if (!fields) return violation("a report was malformed");
    if (Number(fields.beginNumber ?? fields.statusNumber ?? fields.reportNumber) !== this.#expected[0]) {
      return violation("a report was for another attempt");
    }
    if (fields.beginNumber !== undefined) {
      if (this.#hasBegun) return violation("an attempt began twice");
      this.#hasBegun = true;
      return { kind: "begin", uptimeMs: fields.uptime === undefined ? undefined : Number(fields.uptime) * 1_000 };
    }
    if (fields.pipedStatus !== undefined) {
      if (this.#status !== null) return violation("a status was reported twice");
      this.#status = Number(fields.pipedStatus);
      return undefined;
    }
    const childTimes = TIMES.exec(this.#messages.pop() ?? "");
    const lastMessage = this.#messages.pop() ?? "";
    if (!childTimes || !SHELL_TIMES.test(lastMessage)) return violation("a report had no CPU times");
    const unfinished = lastMessage.replace(SHELL_TIMES, ""); // a message without a newline precedes the times
    if (unfinished !== "") this.#messages.push(unfinished);
    const [userMs, systemMs] = [millisecondsOf(childTimes.slice(1, 4)), millisecondsOf(childTimes.slice(4, 7))];
    const messages = this.#messages.join("\n");
    const status = fields.status === "-" ? this.#status : Number(fields.status);
    this.#expected.shift();
    this.#beginAttempt();
    return {
      kind: "report",
      report: {
        status,
        stderrIsEmpty: fields.stderr !== "0",
        userMs,
        systemMs,
        messages,
      },
    };
  }
}

/** Converts minutes, seconds and a fraction, as `times` prints them, to milliseconds. */
function millisecondsOf([minutes, seconds, fraction = "0"]: readonly (string | undefined)[]): number {
  return Number(minutes) * 60_000 + Math.round(Number(`${seconds}.${fraction}`) * 1_000);
}

function violation(reason: string): WorkerEvent {
  return { kind: "violation", reason };
}
