/**
 * Mutation testing: changes the code in one place at a time and checks that a test fails.
 *
 *     deno task mutation [--concurrency 2] [--mutate FILE:LINE-LINE,...] [core] [jsonl] [shell] [commands]
 *
 * Writes an HTML and a JSON report for each group to `.mutation/`.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { pathOfTest } from "./test_file.ts";

const STRYKER = "@stryker-mutator/core@10.1.1";
/** Stryker reads `tsconfig.json` with it, and does not bring it. */
const TYPESCRIPT = "typescript@5.9.3";

interface Group {
  mutate: string[];
  tests: string[];
  /** Skips tests whose names contain this, as they cannot detect mutants. */
  without?: string;
}

/** Groups of files to mutate, with the tests that can detect the mutants. */
const GROUPS: Record<string, Group> = {
  core: {
    mutate: [
      "pool/scheduler.ts",
      "pool/run.ts",
      "pool/task_pool.ts",
      "pool/task_feed.ts",
      "pool/retry_queue.ts",
      "pool/start_policy.ts",
      "pool/signal_watch.ts",
      "pool/running_attempt.ts",
      "pool/result_buffer.ts",
      "pool/workflow_options.ts",
      "pool/workflow/workflow_feed.ts",
      "pool/workflow/workflow.ts",
      "pool/workflow/ready_queue.ts",
      "pool/workflow/resources.ts",
      "pool/workflow/memory_tasks.ts",
      "pool/workflow/seen_tasks.ts",
      "graph/task_graph.ts",
      "graph/cycles.ts",
      "graph/topological_order.ts",
      "graph/critical_path.ts",
    ],
    tests: [
      "run",
      "task_pool",
      "task_feed",
      "control",
      "attempt_hooks",
      "remote_executor",
      "executor_fault",
      "start_limiter",
      "capacity_estimate",
      "model",
      "timeout",
      "live_output",
      "outcome",
      "scheduler",
      "running_attempt",
      "signal_watch",
      "workflow_scheduling",
      "workflow_decisions",
      "workflow_model",
      "ready_queue",
      "task_resources",
      "memory_tasks",
      "workflow_options",
      "task_graph",
      "cycles",
      "critical_path",
    ],
  },
  jsonl: {
    mutate: ["jsonl/jsonl_reader.ts", "jsonl/jsonl_writer.ts", "jsonl/line_reader.ts"],
    tests: ["jsonl", "statistics"],
  },
  shell: {
    mutate: [
      "executors/shell/executor.ts",
      "executors/shell/execution.ts",
      "executors/shell/worker.ts",
      "executors/shell/script.ts",
    ],
    tests: ["shell_script", "shell_worker", "shell_executor", "executor"],
    without: "with the process executor",
  },
  commands: {
    mutate: [
      "executors/shell/plain_command.ts",
      "executors/shell/grammar/builtin_commands.ts",
      "executors/shell/grammar/lexer.ts",
      "executors/shell/grammar/parser.ts",
      "executors/shell/grammar/reserved_words.ts",
      "executors/shell/grammar/variables.ts",
    ],
    tests: ["plain_command"],
  },
};

const { values: { concurrency, mutate }, positionals: names } = parseArgs({
  options: { concurrency: { type: "string", default: "2" }, mutate: { type: "string" } },
  allowPositionals: true,
});
for (const name of names.length > 0 ? names : Object.keys(GROUPS)) {
  const group = GROUPS[name];
  if (!group) throw new Error(`Unknown group ${name}; the groups are ${Object.keys(GROUPS).join(", ")}`);
  test(name, group);
}

function test(name: string, group: Group): void {
  const directory = mkdtempSync(join(tmpdir(), "mutation-"));
  const report = `.mutation/${name}.json`;
  const options = {
    mutate: mutate?.split(",") ?? group.mutate,
    // Not `testFiles`, which Stryker would interpret as test names.
    bunTestFiles: group.tests.map(pathOfTest),
    bunTestsWithout: group.without,
    testRunner: "bun",
    plugins: ["./dev/reliability/mutation_runner.ts"],
    coverageAnalysis: "perTest",
    concurrency: Number(concurrency),
    // The test runner terminates hanging tests itself.
    timeoutMS: 3_600_000,
    timeoutFactor: 0,
    dryRunTimeoutMinutes: 60,
    disableTypeChecks: false,
    checkers: [],
    warnings: { unknownOptions: false, slow: false },
    tempDirName: join(directory, "sandbox"),
    cleanTempDir: "always",
    ignorePatterns: [".mutation", "docs", "dev/bench"],
    reporters: ["progress-append-only", "json", "html"],
    jsonReporter: { fileName: report },
    htmlReporter: { fileName: `.mutation/${name}.html` },
  };
  const file = join(directory, "options.json");
  writeFileSync(file, JSON.stringify(options));
  const { status } = spawnSync("npx", ["-y", "-p", STRYKER, "-p", TYPESCRIPT, "stryker", "run", file], {
    stdio: "inherit",
  });
  rmSync(directory, { recursive: true, force: true });
  if (status !== 0) process.exit(1);
  printReport(report);
}

interface Mutant {
  mutatorName: string;
  replacement?: string;
  status: string;
  location: { start: { line: number; column: number }; end: { line: number; column: number } };
}

function printReport(path: string): void {
  const { files } = JSON.parse(readFileSync(path, "utf8")) as {
    files: Record<string, { source: string; mutants: Mutant[] }>;
  };
  console.log("| file | mutants | killed | timed out | survived | score |\n|---|---|---|---|---|---|");
  for (const [file, { mutants }] of Object.entries(files)) {
    const count = (...statuses: string[]) => mutants.filter(({ status }) => statuses.includes(status)).length;
    const [killed, hung, survived] = [count("Killed"), count("Timeout"), count("Survived", "NoCoverage")];
    const percent = ((killed + hung) / mutants.length * 100).toFixed(1);
    console.log(`| ${file} | ${mutants.length} | ${killed} | ${hung} | ${survived} | ${percent} % |`);
  }
  for (const [file, { source, mutants }] of Object.entries(files)) {
    const lines = source.split("\n");
    for (const { mutatorName, replacement, status, location: { start, end } } of mutants) {
      if (status === "Killed" || status === "Timeout") continue;
      const original = lines.slice(start.line - 1, end.line).join("\n")
        .slice(start.column - 1).split("\n")[0]!.slice(0, start.line === end.line ? end.column - start.column : 100);
      console.log(`${file}:${start.line}:${start.column} ${status} ${mutatorName}: ${original} -> ${replacement}`);
    }
  }
}
