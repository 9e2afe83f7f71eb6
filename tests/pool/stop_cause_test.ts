import { assertEquals } from "@std/assert/equals";
import { type AttemptStop, resultWithoutOutput } from "../../pool/executor.ts";
import { StopCause } from "../../pool/stop_cause.ts";
import { test } from "../support/test.ts";

test("StopCause keeps the first reason, and accepts only the output limit after the end", () => {
  const schedules: [events: (AttemptStop | "end")[], cause: AttemptStop | undefined][] = [
    [[], undefined],
    [["end"], undefined],
    [["timeout"], "timeout"],
    [["timeout", "canceled", "output-limit"], "timeout"],
    [["canceled", "end", "timeout"], "canceled"],
    [["end", "canceled"], undefined],
    [["end", "timeout", "output-limit"], "output-limit"],
    [["timeout", "end", "output-limit"], "timeout"],
  ];
  const result = resultWithoutOutput({ kind: "exited", status: 0 });
  for (const [events, cause] of schedules) {
    const stop = new StopCause();
    for (const event of events) {
      if (event === "end") stop.end();
      else stop.request(event);
    }
    assertEquals([events, stop.cause, stop.applyTo(result).stoppedBy], [events, cause, cause]);
  }
});
