import type { Io } from "../../cli/io.ts";

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
