import { abortable } from "./abortable.ts";
import { splitArguments } from "./args/arguments.ts";
import type { GivenFlags } from "./args/flag.ts";
import { UsageError } from "./args/usage_error.ts";
import { splitSources } from "./args/value_sources.ts";
import { type Command, hasFlags, parseValues } from "./command.ts";
import { type CommandLine, endsFlags, parseForOneCommand } from "./command_line.ts";
import { loadCommands } from "./commands/mod.ts";
import type { DefaultArguments } from "./config/default_flags.ts";
import { takePlaces } from "./config/places.ts";
import type { Io } from "./io.ts";
import { printVersion } from "./print_version.ts";
import { reportError } from "./report_error.ts";
import { rawArguments } from "../system/raw_arguments.ts";

/** Runs the command line with a given environment. Returns the exit status; never rejects. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let command: Command | undefined;
  let defaults: DefaultArguments | undefined;
  try {
    if (args.length === 0 && io.stdinIsTerminal) return await printHelp(undefined, io);
    const [ownArgs, sources] = splitSources(rawArguments(args));
    const line = await parseForOneCommand(ownArgs) ??
      await (await import("./wrong_arguments.ts")).parseForAllCommands(ownArgs, args);
    command = line.command;
    if ("error" in line) throw line.error;
    const { given, operands, isNamed } = line;
    if (given["help"]) return await printHelp(isNamed ? line.command : undefined, io);
    if (given["version"]) return await printVersion(io);
    if (sources.length > 0 && !line.command.takesSources) {
      throw new UsageError("Values after ::: need a command: taskrunner each 'gzip -k {}' ::: a b c");
    }
    defaults = await readDefaults(line);
    const flags = parseValues(withDefaults(line, ownArgs, defaults), line.command, line.commands);
    const status = line.command.run({ flags, operands, sources }, io);
    return await (line.command.endsAtSignal ? abortable(status, io.signal) : status);
  } catch (error) {
    return await reportError(error, io, { command, explain: defaults?.explain });
  }
}

/**
 * Reads the default flags. Removes the variable with default flags from the environment, also with `--no-config`. A
 * command without flags has no defaults.
 *
 * @throws {UsageError} for default flags that cannot be read or are wrong.
 */
async function readDefaults({ command, given }: CommandLine): Promise<DefaultArguments | undefined> {
  if (!hasFlags(command)) return undefined;
  const places = takePlaces().filter(({ text, problem }) => text !== undefined || problem !== undefined);
  if (places.length === 0 || given["no-config"]) return undefined;
  const { defaultArguments } = await import("./config/default_flags.ts");
  return defaultArguments(places, command, await loadCommands(), given);
}

/** Returns the flags of a command line after the default flags. */
function withDefaults(
  { command, given, known }: CommandLine,
  args: readonly string[],
  defaults: DefaultArguments | undefined,
): GivenFlags {
  if (!defaults) return given;
  return splitArguments([...defaults.arguments, ...args], known, (operand) => endsFlags(operand, command)).given;
}

/** Prints the help of a command, or of all commands. */
async function printHelp(command: Command | undefined, io: Io): Promise<number> {
  const { commandHelp, generalHelp } = await import("./help_text.ts");
  if (command) return await print(commandHelp(command), io);
  const { TOPICS } = await import("./help_topics.ts");
  return await print(generalHelp(await loadCommands(), TOPICS), io);
}

async function print(text: string, io: Io): Promise<number> {
  await io.stdout.write(new TextEncoder().encode(text));
  return 0;
}
