import type { Attempt, AttemptCallbacks, Execution } from "../../pool/executor.ts";
import { FakeExecution, FakeExecutor } from "./fake_executor.ts";

/** An attempt that may wait for another one in its slot. */
class WaitingExecution extends FakeExecution {
  hasBegun = false;
  isWithdrawn = false;
  /** Called when the attempt ends. */
  onEnd = () => {};

  override end(...result: Parameters<FakeExecution["end"]>): void {
    super.end(...result);
    this.onEnd();
  }

  tryWithdraw(): boolean {
    if (this.hasBegun) return false;
    this.isWithdrawn = true;
    super.end({ ending: { kind: "withdrawn" } });
    return true;
  }
}

/** Executor that runs one attempt for each slot, and keeps another one waiting. */
export class QueueingExecutor extends FakeExecutor {
  readonly queuesAttempts = true;
  /** Requests that no executor accepts. */
  readonly violations: string[] = [];
  readonly #slots = new Map<number, WaitingExecution[]>();

  /** The attempts that run. */
  get running(): WaitingExecution[] {
    return [...this.#slots.values()].flatMap(([first]) => first ?? []);
  }

  /** The attempts that wait. */
  get queued(): WaitingExecution[] {
    return [...this.#slots.values()].flatMap((slot) => slot.slice(1).filter(({ isWithdrawn }) => !isWithdrawn));
  }

  override start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const execution = new WaitingExecution(attempt, callbacks);
    this.executions.push(execution);
    const slot = this.#slots.get(attempt.slot) ?? [];
    this.#slots.set(attempt.slot, slot);
    slot.push(execution);
    if (slot.filter(({ isWithdrawn }) => !isWithdrawn).length > 2) {
      this.violations.push(`slot ${attempt.slot} has more than one waiting attempt`);
    }
    if (slot[0]!.attempt.sequence > attempt.sequence) {
      this.violations.push(`task ${attempt.sequence} waits for a later one`);
    }
    execution.onEnd = () => {
      slot.shift();
      while (slot[0]?.isWithdrawn) slot.shift();
      if (slot[0]) this.#begin(slot[0]);
    };
    if (slot.length === 1) this.#begin(execution, false);
    return execution;
  }

  #begin(execution: WaitingExecution, wasQueued = true): void {
    execution.hasBegun = true;
    if (wasQueued) execution.begin();
    this.onStart(execution);
  }
}
