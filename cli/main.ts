import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { parseArguments } from "./args/arguments.ts";
import { EXIT_CLOSED_OUTPUT, EXIT_ERROR } from "./exit_status.ts";
import { FLAGS, helpText } from "./args/flags.ts";
import { ClosedOutputError, InterruptedError, type Io } from "./io.ts";
import { processIo } from "./process_io.ts";
import { abortable } from "./abortable.ts";
import { UsageError } from "./args/usage_error.ts";
import { writeStderr } from "../system/standard_streams.ts";
import { VERSION } from "../text/version.ts";

const COMMANDS = ["run", "each", "worker", "runs", "stats", "trace", "report", "watch"] as const;

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

/** What comes after `:::` are values, also those that look like flags. */
function splitValues(args: readonly string[]): [args: readonly string[], values: readonly string[] | undefined] {
  const index = args.indexOf(":::");
  return index === -1 ? [args, undefined] : [args.slice(0, index), args.slice(index + 1)];
}

/** The command line: does what the arguments ask for, and gives the exit status. Never rejects. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  try {
    const [ownArgs, values] = splitValues(args);
    const { flags, operands } = parseArguments(ownArgs, FLAGS);
    if (flags.help || flags.version) {
      await io.stdout.write(new TextEncoder().encode(flags.help ? helpText() : `taskrunner ${VERSION}\n`));
      return 0;
    }
    const command = COMMANDS.find((name) => name === operands[0]) ?? "run";
    if (operands[0] === command) operands.shift();
    if (values && command !== "run" && command !== "each") {
      throw new UsageError(`Values after ::: mean nothing to taskrunner ${command}`);
    }
    // Loaded only now, so that --help and mistakes are answered at once.
    switch (command) {
      case "worker":
        return await (await import("./commands/worker.ts")).work({ flags, operands }, io);
      case "runs":
        return await (await import("./commands/runs.ts")).manageRuns({ flags, operands }, io);
      case "stats":
        return await abortable(
          (await import("./commands/stats.ts")).showStatistics({ command, flags, operands }, io),
          io.signal,
        );
      case "trace":
        return await abortable(
          (await import("./commands/trace.ts")).writeTrace({ command, flags, operands }, io),
          io.signal,
        );
      case "report":
        return await abortable(
          (await import("./commands/report.ts")).writeReport({ command, flags, operands }, io),
          io.signal,
        );
      case "watch":
        return await (await import("./commands/watch.ts")).watchResults({ command, flags, operands }, io);
      default:
        return await (await import("./run_tasks.ts")).runTasks({ command, flags, operands, values }, io);
    }
  } catch (error) {
    if (error instanceof InterruptedError) return error.exitStatus;
    if (error instanceof ClosedOutputError) return EXIT_CLOSED_OUTPUT;
    await io.stderr(`taskrunner: ${error instanceof Error ? error.message : error}`);
    if (error instanceof UsageError) await io.stderr("Try 'taskrunner --help'.");
    return EXIT_ERROR;
  }
}
