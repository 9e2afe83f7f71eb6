import process from "node:process";
import type { Io } from "../../cli/io.ts";
import { main } from "../../cli/main.ts";
import { NO_DEFAULTS } from "./helpers.ts";

/** Returns streams for a command in this process: nothing is a terminal, and output is dropped, except for given fields. */
export function fakeIo(fields: Partial<Io>): Io {
  const { signal } = new AbortController();
  return {
    stdin: () => [],
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    outputsShareTerminal: false,
    terminalColumns: () => undefined,
    isReadingTerminal: () => false,
    stdout: { write: () => {} },
    stderrBytes: { write: () => {} },
    stderr: () => Promise.resolve(),
    signal,
    killSignal: signal,
    onRequest: () => {},
    ...fields,
  };
}

/** The end of a command in this process. */
export interface EndedHere {
  status: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs the command in this process, for command lines that run no task: a process for each would take most of the time of
 * the tests. `env` is in the environment meanwhile, so calls must not overlap.
 */
export async function runHere(
  args: readonly string[],
  fields: Partial<Io> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<EndedHere> {
  const written = { stdout: "", stderr: "" };
  const io = fakeIo({
    stdout: { write: (bytes) => Promise.resolve(void (written.stdout += new TextDecoder().decode(bytes))) },
    stderr: (line) => Promise.resolve(void (written.stderr += `${line}\n`)),
    ...fields,
  });
  const all: Record<string, string> = { ...NO_DEFAULTS, ...env };
  const before = Object.keys(all).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, all);
  try {
    return { status: await main(args, io), ...written };
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
