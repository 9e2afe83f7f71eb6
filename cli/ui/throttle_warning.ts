import type { Progress } from "../../pool/options.ts";
import { type Io, notify } from "../io.ts";

/** Idle time before the warning, so that a short peak of load causes none. */
const WARN_AFTER_MS = 2_000;

/** Warns once when `--load` or `--memfree` idles the run, so that it does not look hung. */
export class ThrottleWarning {
  readonly #log: Io["stderr"];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isGiven = false;

  constructor(log: Io["stderr"]) {
    this.#log = log;
  }

  /** Starts the timer of the warning while a limit idles the run, and stops it otherwise. */
  update({ running, throttledBy }: Progress): void {
    if (running > 0 || (throttledBy !== "load" && throttledBy !== "memory")) this.stop();
    else if (!this.#isGiven) this.#timer ??= setTimeout(() => this.#warn(throttledBy), WARN_AFTER_MS);
  }

  /** Stops the timer. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #warn(limit: "load" | "memory"): void {
    this.#isGiven = true;
    const reason = limit === "load" ? "--load waits for a lower load" : "--memfree waits for free memory";
    notify(this.#log, `taskrunner: no task is running: ${reason}`);
  }
}
