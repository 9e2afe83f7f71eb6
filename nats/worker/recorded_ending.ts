import type { AttemptEnding } from "../../pool/executor.ts";
import type { RecordedEnding } from "../client/protocol.ts";

/** Returns the ending that a worker records. The shortage of one worker must not delay tasks on other workers. */
export function recordedEnding(ending: AttemptEnding): RecordedEnding {
  switch (ending.kind) {
    case "exited":
    case "signaled":
    case "spawn-failed":
    case "lost":
      return ending;
    case "no-resources":
      return { kind: "spawn-failed", status: 126, reason: `Cannot start the task: ${ending.reason}` };
    case "withdrawn":
      return { kind: "lost", reason: "The task was stopped before it began" };
  }
}
