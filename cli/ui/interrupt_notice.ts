import { pluralize } from "../../text/format.ts";
import { InterruptedError, type Io, notify } from "../io.ts";

/**
 * Reports each signal that ends the run, or has already ended it: its effect, and the effect of another signal.
 *
 * @param running returns the number of running tasks.
 */
export function reportInterrupts(
  io: Pick<Io, "signal" | "killSignal" | "stderrIsTerminal">,
  log: Io["stderr"],
  running: () => number,
): void {
  const report = ({ reason }: AbortSignal, effect: string, nextEffect: string | undefined) => {
    if (!(reason instanceof InterruptedError)) return;
    const { signalName } = reason;
    const again = signalName === "SIGINT" && io.stderrIsTerminal ? "press Ctrl-C again" : `send ${signalName} again`;
    const next = nextEffect === undefined ? "" : `; ${again} to ${nextEffect}`;
    notify(log, `taskrunner: ${signalName}: ${effect}${next}`);
  };
  const reportEnd = () => {
    const count = running();
    if (count === 0) return report(io.signal, "ending the run", undefined);
    report(
      io.signal,
      `ending ${pluralize(count, "running task")}`,
      `kill ${count === 1 ? "it" : "them"}`,
    );
  };
  if (io.signal.aborted) reportEnd();
  else io.signal.addEventListener("abort", reportEnd);
  io.killSignal.addEventListener("abort", () => {
    const count = running();
    const effect = count === 0 ? "exiting in at most 10 s" : `killing ${pluralize(count, "running task")}`;
    report(io.killSignal, effect, "exit at once");
  });
}
