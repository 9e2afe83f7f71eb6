import process from "node:process";
import { setTimeout } from "node:timers";

/** The time after which the heap is kept small. A short run has no use for that, and would start 10 ms later. */
const AFTER_MS = 1_000;

/** Calls {@linkcode keepHeapSmall} after a second, unless the program has ended by then. */
export function keepHeapSmallSoon(): void {
  setTimeout(keepHeapSmall, AFTER_MS).unref();
}

/** Keeps the heap of V8 small, because the memory of the machine belongs to the tasks. Bun ignores the flag. */
export function keepHeapSmall(): void {
  process.getBuiltinModule("node:v8").setFlagsFromString("--optimize-for-size");
  if (!("Deno" in globalThis) && !("Bun" in globalThis)) process.on("exit", releaseCompilers);
}

/**
 * Collects garbage at exit. With a small heap, threads of V8 that compile code wait for the main thread to do so, and Node
 * waits for the threads: without this, Node may hang forever (https://github.com/nodejs/node/issues/54918).
 */
function releaseCompilers(): void {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  setFlagsFromString("--no-optimize-for-size");
  setFlagsFromString("--expose-gc");
  process.getBuiltinModule("node:vm").runInNewContext("gc")();
}
