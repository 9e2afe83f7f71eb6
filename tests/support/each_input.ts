import { type EachArguments, openInput } from "../../cli/each/input.ts";
import type { Io } from "../../cli/io.ts";
import type { Task } from "../../records/task.ts";
import type { Source } from "../../jsonl/source.ts";
import { fakeIo } from "./fake_io.ts";

/** Returns streams for a command in this process. */
export function ioOf(stdin: Source<Uint8Array>): Io & { readonly messages: string[] } {
  const messages: string[] = [];
  const io = fakeIo({ stdin: () => stdin, stderr: (line) => Promise.resolve(void messages.push(line)) });
  return { ...io, messages };
}

/** The arguments of `each` for a test. */
export interface EachOptions extends Partial<EachArguments> {
  readonly stdin?: string | Uint8Array;
  readonly onInvalid?: "abort" | "skip";
}

/** Returns the sources that stand after a command, as in `["::: a b", ":::+ 1 2"]`. */
export function sourcesOf(...texts: string[]): EachArguments["sources"] {
  return texts.map((text) => {
    const [separator, ...items] = text.split(" ");
    return { separator: separator as ":::", items };
  });
}

/** Returns the tasks that `each` would run. */
export async function tasksOf(words: readonly string[], options: EachOptions = {}): Promise<Task[]> {
  const { flags = {}, sources = [], hasUniqueIds = false, stdin = "", onInvalid = "abort" } = options;
  const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  const io = ioOf([bytes]);
  const input = await openInput({ flags, words, sources, hasUniqueIds }, io);
  const given = { onInvalid, report: io.stderr, recorded: undefined };
  if (input.isRepeatable) {
    await input.count({
      ...given,
      capacity: () => Promise.resolve({ concurrency: 1, resources: {} }),
    });
  }
  return await Array.fromAsync(input.tasks(given));
}

/** Returns the commands that `each` would run. */
export async function commandsOf(words: readonly string[], options: EachOptions = {}): Promise<Task["cmd"][]> {
  return (await tasksOf(words, options)).map(({ cmd }) => cmd);
}
