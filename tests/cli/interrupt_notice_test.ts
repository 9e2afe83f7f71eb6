/** The messages about the signals that end a run. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { InterruptedError } from "../../cli/io.ts";
import { reportInterrupts } from "../../cli/ui/interrupt_notice.ts";
import { test } from "../support/test.ts";

/** Returns the messages of a first and a second signal. */
function messagesOf(signals: [first: string, second: string], running: number, stderrIsTerminal: boolean): string[] {
  const [stop, kill] = [new AbortController(), new AbortController()];
  const lines: string[] = [];
  const log = (line: string) => Promise.resolve(void lines.push(line));
  reportInterrupts({ signal: stop.signal, killSignal: kill.signal, stderrIsTerminal }, log, () => running);
  stop.abort(new InterruptedError(signals[0], 1));
  kill.abort(new InterruptedError(signals[1], 1));
  return lines;
}

test("reportInterrupts() names the effect of a signal, and of the next one", () => {
  assertEquals(messagesOf(["SIGINT", "SIGINT"], 3, true), [
    "taskrunner: SIGINT: ending 3 running tasks; press Ctrl-C again to kill them",
    "taskrunner: SIGINT: killing 3 running tasks; press Ctrl-C again to exit at once",
  ]);
  assertEquals(messagesOf(["SIGINT", "SIGTERM"], 1, false), [
    "taskrunner: SIGINT: ending 1 running task; send SIGINT again to kill it",
    "taskrunner: SIGTERM: killing 1 running task; send SIGTERM again to exit at once",
  ]);
  assertEquals(messagesOf(["SIGTERM", "SIGQUIT"], 1_000, true), [
    "taskrunner: SIGTERM: ending 1,000 running tasks; send SIGTERM again to kill them",
    "taskrunner: SIGQUIT: killing 1,000 running tasks; send SIGQUIT again to exit at once",
  ]);
  assertEquals(messagesOf(["SIGQUIT", "SIGINT"], 0, true), [
    "taskrunner: SIGQUIT: ending the run",
    "taskrunner: SIGINT: exiting in at most 10 s; press Ctrl-C again to exit at once",
  ]);
});

test("reportInterrupts() announces the effect of Ctrl-C in at most 80 columns", () => {
  const [first] = messagesOf(["SIGINT", "SIGINT"], 1_000, true);
  assertEquals(first, "taskrunner: SIGINT: ending 1,000 running tasks; press Ctrl-C again to kill them");
  assert(first!.length <= 80, first);
});

test("reportInterrupts() reports a signal that arrived before it was called", () => {
  const stop = new AbortController();
  stop.abort(new InterruptedError("SIGTERM", 143));
  const lines: string[] = [];
  const streams = { signal: stop.signal, killSignal: new AbortController().signal, stderrIsTerminal: false };
  reportInterrupts(streams, (line) => Promise.resolve(void lines.push(line)), () => 0);
  assertEquals(lines, ["taskrunner: SIGTERM: ending the run"]);
});

test("reportInterrupts() says nothing when something else aborts the run, and survives a closed standard error", async () => {
  const [stop, kill] = [new AbortController(), new AbortController()];
  let calls = 0;
  const log = () => {
    calls++;
    return Promise.reject(new Error("closed"));
  };
  reportInterrupts({ signal: stop.signal, killSignal: kill.signal, stderrIsTerminal: true }, log, () => 1);
  stop.abort();
  assertEquals(calls, 0);
  kill.abort(new InterruptedError("SIGINT", 130));
  await Promise.resolve();
  assertEquals(calls, 1);
});
