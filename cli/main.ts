import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { abortable } from "./abortable.ts";
import { splitArguments, unknownFlag } from "./args/arguments.ts";
import type { Flags } from "./args/flag.ts";
import { commandHelp, generalHelp } from "./help_text.ts";
import { TOPICS } from "./help_topics.ts";
import { unknownCommand } from "./args/unknown_command.ts";
import { UsageError } from "./args/usage_error.ts";
import { splitSources } from "./args/value_sources.ts";
import { allFlagsOf, type Command, flagsOfAll, parseValues } from "./command.ts";
import { type DefaultArguments, defaultArguments } from "./config/default_flags.ts";
import { COMMANDS, DEFAULT_COMMAND } from "./commands/mod.ts";
import { EXIT_CLOSED_OUTPUT, EXIT_ERROR } from "./exit_status.ts";
import { ClosedOutputError, InterruptedError, type Io } from "./io.ts";
import { processIo } from "./process_io.ts";
import { rawArguments } from "../system/raw_arguments.ts";
import { writeStderr } from "../system/standard_streams.ts";
import { VERSION } from "../text/version.ts";

/**
 * Runs the command with the arguments and streams of this process. Ends the process with the exit status of the command,
 * and does not return.
 */
export async function runCommandLine(): Promise<never> {
  // A promise that never settles must not look like success.
  process.exitCode = EXIT_ERROR;
  // Keeps the heap small on V8, because the memory of the machine belongs to the tasks. Bun ignores the flag.
  setFlagsFromString("--optimize-for-size");
  const status = await main(process.argv.slice(2), processIo());
  await writeStderr(""); // writes notices that nobody has waited for
  process.exit(status);
}

/** Ends the process after an internal error, with a status that is not a number of failed tasks. */
export function failCommand(error: unknown): void {
  console.error(error);
  process.exit(EXIT_ERROR);
}

/** The flags of all commands. */
export const ALL_FLAGS: Flags = flagsOfAll(COMMANDS);

const NAMES = COMMANDS.map(({ name }) => name);

/** Throws if the first operand is neither a command nor a file. A wrong flag before it is the first error. */
function checkFirstOperand(name: string, args: readonly string[], hasMore: boolean): void {
  const { unknown, error } = splitArguments(args.slice(0, args.indexOf(name)), ALL_FLAGS);
  const wrong = unknown === undefined && !error && unknownCommand(name, args, hasMore, NAMES);
  if (wrong) throw wrong;
}

function commandNamed(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

function endsFlags(name: string): boolean {
  return commandNamed(name)?.takesCommand ?? false;
}

/** Runs the command line with a given environment. Returns the exit status; never rejects. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let command: Command | undefined;
  let defaults: DefaultArguments | undefined;
  try {
    if (args.length === 0 && io.stdinIsTerminal) return await print(generalHelp(COMMANDS, TOPICS), io);
    const [ownArgs, sources] = splitSources(rawArguments(args));
    const { given, operands: [name, ...operands], unknown, error } = splitArguments(ownArgs, ALL_FLAGS, endsFlags);
    const named = commandNamed(name);
    if (!named && name !== undefined) checkFirstOperand(name, args, operands.length + sources.length > 0);
    command = named ?? DEFAULT_COMMAND;
    if (!named && name !== undefined) operands.unshift(name);
    if (unknown !== undefined) throw unknownFlag(unknown, allFlagsOf(command));
    if (error) throw error;
    if (given["help"] || given["version"]) {
      const help = () => named ? commandHelp(named) : generalHelp(COMMANDS, TOPICS);
      return await print(given["help"] ? help() : `taskrunner ${VERSION}\n`, io);
    }
    if (sources.length > 0 && !command.takesSources) {
      throw new UsageError("Values after ::: need a command: taskrunner each 'gzip -k {}' ::: a b c");
    }
    defaults = defaultArguments(command, COMMANDS, given);
    const withDefaults = splitArguments([...defaults.arguments, ...ownArgs], ALL_FLAGS, endsFlags).given;
    const flags = parseValues(withDefaults, command, COMMANDS);
    const status = command.run({ flags, operands, sources }, io);
    return await (command.endsAtSignal ? abortable(status, io.signal) : status);
  } catch (error) {
    if (error instanceof InterruptedError) return error.exitStatus;
    if (error instanceof ClosedOutputError) return EXIT_CLOSED_OUTPUT;
    const message = `${error instanceof Error ? error.message : error}`;
    if (error instanceof UsageError) {
      await io.stderr(`taskrunner: ${defaults?.explain(message) ?? message}`);
      await io.stderr(`Try 'taskrunner${command ? ` ${command.name}` : ""} --help'.`);
    } else await io.stderr(`taskrunner: ${message}`);
    return EXIT_ERROR;
  }
}

async function print(text: string, io: Io): Promise<number> {
  await io.stdout.write(new TextEncoder().encode(text));
  return 0;
}
