/**
 * Reads the channel on which a shell worker reports.
 *
 * The channel carries control lines, which begin with the secret token of the worker, and messages that the shell itself
 * prints. Only a control line decides anything. `docs/worker_protocol.md` has the whole protocol.
 *
 * @module
 */

/** The report of a worker about one attempt. */
export interface WorkerReport {
  /** `$?` of the attempt; `null` when the shell that waited for it could not say it. */
  status: number | null;
  stderrIsEmpty: boolean;
  /** CPU time in user mode of everything that the worker has waited for so far, in milliseconds. */
  userMs: number;
  /** CPU time in the kernel, likewise. */
  systemMs: number;
  /** Messages of the shell itself since the previous report, such as `Killed`. */
  messages: string;
}

/** An event on the channel. */
export type WorkerEvent =
  /** The command begins, and how long Linux has then been up, where the shell can see it. */
  | { kind: "begin"; uptimeMs: number | undefined }
  | { kind: "report"; report: WorkerReport }
  | { kind: "violation"; reason: string };

const STATUS = String.raw`\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]`;
/** The beginning of an attempt, the status of one with pipes, or a report. */
const CONTROL_LINE = new RegExp(
  String
    .raw`^(?:begin (?<beginNumber>\d+) (?<uptime>\d{1,12}\.\d\d)?|status (?<statusNumber>\d+) (?<pipedStatus>${STATUS})|` +
    String.raw`(?<reportNumber>\d+) (?<status>${STATUS}|-) (?<stderr>[01]))$`,
);

/** The longest line, and the longest messages, that are kept. A shell says far less. */
const MAX_CHARACTERS = 64 * 1024;

const TIME = String.raw`(\d{1,12})m(\d{1,2})(?:[.,](\d{1,9}))?s`;
const TIMES = new RegExp(`^${TIME} ${TIME}$`);
const SHELL_TIMES = new RegExp(`${TIME} ${TIME}$`);

/** Parses the channel of one worker. It never throws, whatever the channel carries. */
export class WorkerReportReader {
  readonly #prefix: string;
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end has not arrived. */
  #partial = "";
  #messages: string[] = [];
  #messagesLength = 0;
  #number = 0;
  #hasBegun = false;
  /** The status of an attempt with pipes, which comes before its report. */
  #status: number | null = null;

  /** @param token begins each control line. */
  constructor(token: string) {
    this.#prefix = `${token} `;
  }

  /** Expects the report of the attempt with this number next. Anything else is a violation. */
  expect(number: number): void {
    this.#number = number;
    this.#hasBegun = false;
    this.#status = null;
    this.#clearMessages();
  }

  /** Takes what the worker has written, and returns the events in it. Nothing after a violation is to be used. */
  push(bytes: Uint8Array): WorkerEvent[] {
    const lines = (this.#partial + this.#decoder.decode(bytes, { stream: true })).split("\n");
    // Only the beginning tells whether it is a control line, and those are short.
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
    if (this.#messagesLength > MAX_CHARACTERS) this.#clearMessages(); // the times are in the last two lines
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
    if (Number(fields.beginNumber ?? fields.statusNumber ?? fields.reportNumber) !== this.#number) {
      return violation("a report was for another attempt");
    }
    if (fields.beginNumber !== undefined) {
      if (this.#hasBegun) return violation("an attempt began twice");
      this.#hasBegun = true;
      return { kind: "begin", uptimeMs: fields.uptime === undefined ? undefined : Number(fields.uptime) * 1_000 };
    }
    if (fields.pipedStatus !== undefined) {
      if (this.#status !== null) return violation("a status was said twice");
      this.#status = Number(fields.pipedStatus);
      return undefined;
    }
    const childTimes = TIMES.exec(this.#messages.pop() ?? "");
    const lastMessage = this.#messages.pop() ?? "";
    if (!childTimes || !SHELL_TIMES.test(lastMessage)) return violation("a report had no CPU times");
    const unfinished = lastMessage.replace(SHELL_TIMES, ""); // a message without a newline
    if (unfinished !== "") this.#messages.push(unfinished);
    const [userMs, systemMs] = [millisecondsOf(childTimes.slice(1, 4)), millisecondsOf(childTimes.slice(4, 7))];
    const messages = this.#messages.join("\n");
    this.#number = 0; // none is due
    this.#clearMessages();
    return {
      kind: "report",
      report: {
        status: fields.status === "-" ? this.#status : Number(fields.status),
        stderrIsEmpty: fields.stderr !== "0",
        userMs,
        systemMs,
        messages,
      },
    };
  }
}

/** Converts minutes, seconds and a fraction as `times` prints them. */
function millisecondsOf([minutes, seconds, fraction = "0"]: readonly (string | undefined)[]): number {
  return Number(minutes) * 60_000 + Math.round(Number(`${seconds}.${fraction}`) * 1_000);
}

function violation(reason: string): WorkerEvent {
  return { kind: "violation", reason };
}
