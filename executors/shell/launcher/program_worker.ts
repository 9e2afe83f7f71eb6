/** Runs the programs of a slot in a starter, a process of the launcher. @module */

import { AttemptWorker, type RunCallbacks, type WorkerExit } from "../attempt_worker.ts";
import type { ExitStatus } from "../../../spawn_adapters/types.ts";
import type { SendSignal } from "../../send_signal.ts";
import type { WorkerDirectory } from "../scratch_directory.ts";
import { closeCommand, type ProgramCommand, type ProgramEnd, type ProgramReport, runCommand } from "./messages.ts";

/** A program that did not begin; another worker may run it. */
export interface ProgramRefusal {
  kind: "refused";
}

/** The outcome of a program. */
export type ProgramOutcome = ProgramEnd | ProgramRefusal;

/** The connection to one starter. */
export interface StarterChannel {
  /** The index of the starter in the launcher. */
  index: number;
  send(message: Uint8Array): void;
  sendSignal: SendSignal;
}

/** The error code for a name that exists: the attempt was withdrawn. */
const EEXIST = 17;
/** The error code of a starter that runs no further programs. */
const ESHUTDOWN = 108;

/** A starter as the worker of a slot. */
export class ProgramWorker extends AttemptWorker<ProgramOutcome> {
  readonly pid: number;
  readonly isShellOfAttempt = true;
  /** Settles when the starter has ended. Never rejects. */
  readonly ended: Promise<void>;
  readonly #channel: StarterChannel;
  #resolveEnded!: () => void;
  /** The numbers of the runs without a report, in order. */
  readonly #expected: number[] = [];
  #hasBegun = false;

  constructor(pid: number, directory: WorkerDirectory, channel: StarterChannel) {
    super(directory);
    this.pid = pid;
    this.#channel = channel;
    this.ended = new Promise((resolve) => this.#resolveEnded = resolve);
  }

  /** Runs a program, after the programs before it. Returns `undefined` for a command that is too long for a message. */
  run(command: ProgramCommand, callbacks: RunCallbacks): Promise<ProgramOutcome | WorkerExit> | undefined {
    const message = runCommand(this.#channel.index, this.nextNumber, command);
    return message && this.addRun(callbacks, (number) => {
      this.#expected.push(number);
      this.#channel.send(message);
    });
  }

  /** Handles a report of the starter. A report for another program is a violation, which kills the starter. */
  handle(report: ProgramReport): void {
    if (this.isExiting) return;
    if (report.number !== this.#expected[0]) return this.kill("a report was for another attempt");
    if (report.kind === "begun") {
      if (this.#hasBegun) return this.kill("an attempt began twice");
      this.#hasBegun = true;
      return this.begin(report.uptimeMs);
    }
    this.#expected.shift();
    this.#hasBegun = false;
    if (report.kind === "ended") return this.settle(report.end);
    const isWithdrawn = report.kind === "unopened" && report.errno === EEXIST;
    if (report.kind === "unopened" && report.errno === ESHUTDOWN) this.retire();
    this.settle({ kind: "refused" }, isWithdrawn); // otherwise the starter refuses the programs that wait, too
  }

  /** Handles the end of the starter. */
  handleEnd(exit: ExitStatus): void {
    this.recordEnd();
    this.settleAll(exit);
    this.#resolveEnded();
  }

  protected override requestExit(): void {
    if (!this.hasEnded) this.#channel.send(closeCommand(this.#channel.index)); // otherwise the index may be in use again
  }

  protected override signal(signal: "SIGCONT" | "SIGKILL"): void {
    if (!this.hasEnded) this.#channel.sendSignal(this.pid, signal).catch(() => {}); // the timeouts of the caller apply
  }
}
