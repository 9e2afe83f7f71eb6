import { parseArguments } from "./arguments.ts";
import { EXIT_CLOSED_OUTPUT, EXIT_ERROR } from "./exit_status.ts";
import { FLAGS, helpText } from "./flags.ts";
import { ClosedOutputError, InterruptedError, type Io } from "./io.ts";
import { UsageError } from "./usage_error.ts";
import { VERSION } from "./version.ts";

/** The command line: does what the arguments ask for, and gives the exit status. Never rejects. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  try {
    const { flags, operands } = parseArguments(args, FLAGS);
    if (flags.help || flags.version) {
      await io.stdout.write(new TextEncoder().encode(flags.help ? helpText() : `taskrunner ${VERSION}\n`));
      return 0;
    }
    if (operands[0] === "run") operands.shift();
    // Loaded only now, so that --help and mistakes are answered at once.
    const { runTasks } = await import("./run.ts");
    return await runTasks(flags, operands, io);
  } catch (error) {
    if (error instanceof InterruptedError) return error.exitStatus;
    if (error instanceof ClosedOutputError) return EXIT_CLOSED_OUTPUT;
    await io.stderr(`taskrunner: ${error instanceof Error ? error.message : error}`);
    if (error instanceof UsageError) await io.stderr("Try 'taskrunner --help'.");
    return EXIT_ERROR;
  }
}
