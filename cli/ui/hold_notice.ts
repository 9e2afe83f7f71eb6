import type { Progress } from "../../pool/options.ts";
import { type Io, notify } from "../io.ts";
import type { Flags } from "../args/flags.ts";

/** Long enough for a moment of load to be over. */
const NOTICE_MS = 2_000;

/** Says, once, that nothing runs because of a limit: else it would look as if it hung. */
export class HoldNotice {
  readonly #flags: Flags;
  readonly #say: Io["stderr"];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wasGiven = false;

  constructor(flags: Flags, say: Io["stderr"]) {
    this.#flags = flags;
    this.#say = say;
  }

  update({ running, heldBackBy }: Progress): void {
    if (running > 0 || (heldBackBy !== "load" && heldBackBy !== "memory")) this.stop();
    else if (!this.#wasGiven) this.#timer ??= setTimeout(() => this.#give(heldBackBy), NOTICE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #give(heldBackBy: "load" | "memory"): void {
    this.#wasGiven = true;
    const { load, memfree } = this.#flags;
    const flag = heldBackBy === "load" ? `--load ${load}` : `--memfree ${memfree}`;
    notify(
      this.#say,
      `taskrunner: nothing runs: ${flag} waits for ${heldBackBy === "load" ? "less load" : "more free memory"}`,
    );
  }
}
