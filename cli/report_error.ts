import type { Command } from "./command.ts";
import { UsageError } from "./args/usage_error.ts";
import { EXIT_CLOSED_OUTPUT, EXIT_ERROR } from "./exit_status.ts";
import { ClosedOutputError, InterruptedError, type Io } from "./io.ts";

/** The circumstances of an error. */
export interface ErrorContext {
  /** The command for the hint after wrong usage. */
  readonly command?: Command | undefined;
  /** Adds the origins of default flags to a message. */
  readonly explain?: ((message: string) => string) | undefined;
}

/** Reports the error that ended a command. Returns the exit status. */
export async function reportError(error: unknown, io: Io, context: ErrorContext = {}): Promise<number> {
  if (error instanceof InterruptedError) return error.exitStatus;
  if (error instanceof ClosedOutputError) return EXIT_CLOSED_OUTPUT;
  const message = `${error instanceof Error ? error.message : error}`;
  if (error instanceof UsageError) {
    const { command, explain } = context;
    await io.stderr(`taskrunner: ${explain?.(message) ?? message}`);
    await io.stderr(`Try 'taskrunner${command ? ` ${command.name}` : ""} --help'.`);
  } else await io.stderr(`taskrunner: ${message}`);
  return EXIT_ERROR;
}
