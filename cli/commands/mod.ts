/** The commands. @module */

import type { Command } from "../command.ts";
import { completions } from "./completions.ts";
import { config } from "./config.ts";
import { each } from "./each.ts";
import { failed } from "./failed.ts";
import { helpCommand } from "./help.ts";
import { man } from "./man.ts";
import { report } from "./report.ts";
import { run } from "./run.ts";
import { runs } from "./runs.ts";
import { stats } from "./stats.ts";
import { trace } from "./trace.ts";
import { watch } from "./watch.ts";
import { worker } from "./worker.ts";

/** The command that runs when none is named. */
export const DEFAULT_COMMAND: Command = run;

/** The commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  run,
  each,
  worker,
  runs,
  failed,
  stats,
  trace,
  report,
  watch,
  helpCommand(() => COMMANDS),
  config(() => COMMANDS),
  completions(() => COMMANDS, DEFAULT_COMMAND),
  man(() => COMMANDS),
];
