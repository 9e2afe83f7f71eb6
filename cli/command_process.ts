import process from "node:process";
import type { Io } from "./io.ts";
import { processIo } from "./process_io.ts";
import { keepHeapSmallSoon } from "../system/small_heap.ts";
import { writeStderr } from "../system/standard_streams.ts";

/** Runs the command with the arguments and streams of this process, and ends the process. */
export async function runInProcess(): Promise<never> {
  keepHeapSmallSoon();
  const status = await run(process.argv.slice(2), processIo());
  await writeStderr(""); // writes notices that nobody has waited for
  process.exit(status);
}

/** Runs the command. Prints the version, which scripts often ask for, without loading anything else. */
async function run(args: readonly string[], io: Io): Promise<number> {
  if (args.length === 1 && args[0] === "--version") return await (await import("./print_version.ts")).printVersion(io);
  return await (await import("./main.ts")).main(args, io);
}
