/**
 * Measures what an output costs the program between the end of its task and the results file: CPU time, without starting
 * the task. Compares the sizes and kinds of output. Runs on any runtime:
 *
 *     deno run -A --v8-flags=--optimize-for-size dev/bench/output_steps.ts     (or bun, or node)
 */

import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { collectOutputFile } from "../../executors/shell/output_file.ts";
import { toResult } from "../../pool/outcome.ts";
import { appendOwnResult, ResultsFile } from "../../results/results_file.ts";
import { keepHeapSmall } from "../../system/small_heap.ts";
import { releaseLazyTexts } from "../../text/lazy_text.ts";

const ROUNDS = 7;
const ROUND_BYTES = 32 * 1024 * 1024;
const MAX_TASKS = 2_000;
const SIZES = { "10 B": 10, "1 KiB": 1024, "64 KiB": 64 * 1024, "1 MiB": 1024 * 1024 };
/** The text that an output repeats. */
const KINDS = {
  letters: "x",
  log: '2026-11-30 12:00:01 INFO worker-17 handled "GET /index" in 12.3 ms, path C:\\tmp\n',
  UTF8: "“Naïve café” — 10 €, 日本語テキスト, こんにちは\n",
  binary: "\xff\x00\x80",
};
/** As the command sets them. */
const settings = { maxInlineBytes: 1024 * 1024, maxOutputBytes: 1024 ** 3, isLazy: true };
const meta = {
  attempts: 1,
  slot: 1,
  startedAt: "2026-11-30T12:00:00.000Z",
  worker: undefined,
  earlierAttempts: undefined,
  cmdHash: "23579855",
  cmd: undefined,
  workflow: undefined,
};
const createFile = () => Promise.reject(new Error("The output is too large"));

const files = mkdtempSync("/dev/shm/output-steps-");
const directory = mkdtempSync(join(tmpdir(), "output-steps-"));
try {
  keepHeapSmall();
  for (const [kind, text] of Object.entries(KINDS)) {
    for (const [size, bytes] of Object.entries(SIZES)) {
      const unit = Buffer.from(text, kind === "binary" ? "latin1" : "utf8");
      const whole = Math.floor(bytes / unit.length) * unit.length; // whole characters
      const output = Buffer.alloc(whole || bytes, unit);
      const rounds: { collectUs: number; appendUs: number }[] = [];
      for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(output));
      // The least, because other programs only add time.
      const collect = Math.min(...rounds.map(({ collectUs }) => collectUs));
      const append = Math.min(...rounds.map(({ appendUs }) => appendUs));
      console.log(
        `| ${kind} | ${size} | ${collect.toFixed(1)} | ${append.toFixed(1)} | ${(collect + append).toFixed(1)} |`,
      );
    }
  }
} finally {
  rmSync(files, { recursive: true });
  rmSync(directory, { recursive: true });
}

/** Returns the CPU time per task, in microseconds. */
async function measure(output: Uint8Array): Promise<{ collectUs: number; appendUs: number }> {
  const path = join(directory, "results.jsonl");
  const file = await ResultsFile.open(path);
  const tasks = Math.min(MAX_TASKS, Math.ceil(ROUND_BYTES / output.length));
  const paths = Array.from({ length: tasks }, (_, index) => join(files, `${index}`));
  let [collectUs, appendUs] = [0, 0];
  const BATCH = Math.min(tasks, 8);
  for (let begin = 0; begin < tasks; begin += BATCH) {
    const batch = paths.slice(begin, begin + BATCH);
    for (const path of batch) writeFileSync(path, output);
    const startedUs = cpuUs();
    const results = batch.map((path, index) => {
      const collected = collectOutputFile(path, { ...settings, createFile, onLimit: () => {} });
      if (!collected || collected instanceof Promise) throw new Error("The output is lost");
      const ending = { kind: "exited", status: 0 } as const;
      const [stdout, stderr] = [collected.output, { text: "" }];
      const attempt = { ending, durationMs: 35.655, userMs: 0, systemMs: 0, stdout, stderr };
      return toResult({ id: String(index), ...meta }, attempt, undefined, undefined);
    });
    const collectedUs = cpuUs();
    for (const result of results) {
      await appendOwnResult(file, result);
      releaseLazyTexts(result);
    }
    collectUs += collectedUs - startedUs;
    appendUs += cpuUs() - collectedUs;
  }
  await file.close();
  rmSync(path);
  return { collectUs: collectUs / tasks, appendUs: appendUs / tasks };
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
