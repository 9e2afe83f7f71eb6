import process from "node:process";
import { setTimeout } from "node:timers";

/** The time after which the heap is kept small. A short run has no use for that, and would start 10 ms later. */
const AFTER_MS = 1_000;
/** The growth of memory after which the heap of Bun is collected. */
const GROWTH_BYTES = 4 * 1024 ** 2;
/** The interval between two looks at the memory. */
const CHECK_MS = 1_000;
/** The shortest pause after a collection, as a multiple of its duration. */
const PAUSE_FACTOR = 50;

/** The member of Bun's API that collects garbage. */
interface BunHeap {
  gc(isSynchronous: boolean): void;
}

/** Calls {@linkcode keepHeapSmall} after a second, unless the program has ended by then. */
export function keepHeapSmallSoon(): void {
  setTimeout(keepHeapSmall, AFTER_MS).unref();
}

/** Keeps the heap small, because the memory of the machine belongs to the tasks. */
export function keepHeapSmall(): void {
  const { Bun: bun } = globalThis as { Bun?: BunHeap };
  if (bun) return collectGrowth(bun, process.memoryUsage.rss());
  process.getBuiltinModule("node:v8").setFlagsFromString("--optimize-for-size");
  if (!("Deno" in globalThis)) process.on("exit", releaseCompilers);
}

/** Collects garbage when the memory has grown. Bun itself would wait until the heap is half as large again. */
function collectGrowth(bun: BunHeap, keptBytes: number, pauseMs = 0): void {
  setTimeout(() => {
    const bytes = process.memoryUsage.rss();
    if (bytes <= keptBytes + GROWTH_BYTES) return collectGrowth(bun, Math.min(keptBytes, bytes));
    const startedMs = performance.now();
    bun.gc(true);
    const collectionMs = performance.now() - startedMs;
    collectGrowth(bun, process.memoryUsage.rss(), PAUSE_FACTOR * collectionMs);
  }, CHECK_MS + pauseMs).unref();
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
