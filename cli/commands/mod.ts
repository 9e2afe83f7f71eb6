/** The commands, each of which is loaded when it is needed. @module */

import type { Command } from "../command.ts";

/** The functions that load the commands, in the order of the help. */
const LOADERS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.ts")).run,
  each: async () => (await import("./each.ts")).each,
  worker: async () => (await import("./worker.ts")).worker,
  runs: async () => (await import("./runs.ts")).runs,
  failed: async () => (await import("./failed.ts")).failed,
  stats: async () => (await import("./stats.ts")).stats,
  trace: async () => (await import("./trace.ts")).trace,
  graph: async () => (await import("./graph.ts")).graph,
  report: async () => (await import("./report.ts")).report,
  watch: async () => (await import("./watch.ts")).watch,
  help: async () => (await import("./help.ts")).helpCommand(COMMAND_NAMES, loadCommands),
  config: async () => (await import("./config.ts")).config(loadCommands),
  completions: async () => (await import("./completions.ts")).completions(loadCommands, DEFAULT_COMMAND),
  man: async () => (await import("./man.ts")).man(loadCommands),
};

/** The names of the commands, in the order of the help. */
export const COMMAND_NAMES: readonly string[] = Object.keys(LOADERS);

/** The name of the command that runs when none is named. */
export const DEFAULT_COMMAND = "run";

/** Returns whether an argument is the name of a command. */
export function isCommandName(argument: string | undefined): argument is string {
  return argument !== undefined && Object.hasOwn(LOADERS, argument);
}

/** Loads a command by its name. */
export function loadCommand(name: string): Promise<Command> {
  return LOADERS[name]!();
}

/** Loads all commands, in the order of the help. */
export function loadCommands(): Promise<readonly Command[]> {
  return Promise.all(COMMAND_NAMES.map(loadCommand));
}
