/**
 * Measures how long the command takes to start: `taskrunner --version`, and a run of the single task `true`, on each
 * runtime, from source and from a built npm package. Each is compared with an empty script of the same runtime in the same
 * round; every other round runs in reverse. Prints a table and writes it to `dev/bench/results/`: wall time and CPU time
 * (with children), and the cost of a fork on this machine, without which no time can be judged.
 *
 *     deno task bench:startup [--rounds 21] [--package DIRECTORY]
 *
 * Runs on Bun, which reports the CPU time of a program. `deno task npm DIRECTORY` builds the package.
 */

import { parseArgs } from "node:util";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeState } from "./machine.ts";
import { median } from "./median.ts";
import { compilePrograms } from "./programs.ts";
import { writeReport } from "./report_file.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

/** The members of Bun's API that run a program. */
interface BunSpawn {
  spawnSync(options: { cmd: readonly string[]; stdin: null; stdout: "pipe"; stderr: "pipe" }): {
    exitCode: number | null;
    resourceUsage: { cpuTime: { total: bigint | number } };
    stderr: Uint8Array;
  };
}

/** A program, and the empty script that it is compared with. */
interface Contender {
  name: string;
  command: readonly string[];
  /** The name of the empty script; absent for empty scripts. */
  base?: string;
}

interface Measured {
  wallMs: number;
  /** CPU time of the program and its children. */
  cpuMs: number;
}

/** The greatest ratios that are acceptable. */
const TARGETS = { version: 1.5, task: 2.5 } as const;

const { values: { rounds, package: packageDirectory } } = parseArgs({
  options: { rounds: { type: "string", default: "21" }, package: { type: "string" } },
});
const { Bun: bun } = globalThis as unknown as { Bun: BunSpawn };
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  const contenders = await allContenders();
  for (const { command } of contenders) measure(command); // fills the caches
  const seen = new Map(contenders.map(({ name }) => [name, [] as Measured[]]));
  for (let round = 0; round < Number(rounds); round++) {
    for (const { name, command } of round % 2 === 0 ? contenders : contenders.toReversed()) {
      seen.get(name)!.push(measure(command));
    }
  }
  const report = [
    `## Start-up: ${rounds} rounds`,
    "",
    ...tableOf(contenders, seen),
    "",
    `Targets: ${TARGETS.version} for --version, ${TARGETS.task} for one task. On this machine, ${
      describeState(compilePrograms(directory))
    }.`,
    "",
  ];
  console.log(report.join("\n"));
  await writeReport("-startup", report);
} finally {
  await rm(directory, { recursive: true });
}

async function allContenders(): Promise<Contender[]> {
  const [empty, emptyTypes, tasks] = ["empty.mjs", "empty.ts", "tasks.jsonl"].map((name) => join(directory, name));
  await writeFile(empty!, "");
  await writeFile(emptyTypes!, "export {};\n");
  await writeFile(tasks!, '{"cmd":"true"}\n');
  const programs = [
    { from: "source", script: CLI, emptyScript: emptyTypes! },
    ...packageDirectory === undefined
      ? []
      : [{ from: "package", script: join(packageDirectory, "bin/taskrunner.js"), emptyScript: empty! }],
  ];
  return Object.entries(RUNTIMES).flatMap(([runtime, run]) =>
    programs.flatMap(({ from, script, emptyScript }): Contender[] => {
      const base = `${runtime}: empty ${from === "source" ? "TypeScript" : "JavaScript"}`;
      return [
        { name: base, command: [...run, emptyScript] },
        { name: `${runtime}: --version, ${from}`, command: [...run, script, "--version"], base },
        { name: `${runtime}: one task, ${from}`, command: [...run, script, "--no-config", tasks!], base },
      ];
    })
  );
}

/** Runs a program to its end, with its output in pipes. */
function measure(cmd: readonly string[]): Measured {
  const startedMs = performance.now();
  const { exitCode, resourceUsage, stderr } = bun.spawnSync({ cmd, stdin: null, stdout: "pipe", stderr: "pipe" });
  const wallMs = performance.now() - startedMs;
  if (exitCode !== 0) throw new Error(`${cmd.join(" ")} exited with ${exitCode}: ${new TextDecoder().decode(stderr)}`);
  return { wallMs, cpuMs: Number(resourceUsage.cpuTime.total) / 1000 };
}

function tableOf(contenders: readonly Contender[], seen: ReadonlyMap<string, readonly Measured[]>): string[] {
  return [
    "| | wall, ms | relative to the empty script (min–max) | CPU, ms | relative to the empty script (min–max) |",
    "|---|---|---|---|---|",
    ...contenders.map(({ name, base }) => {
      const cells = (["wallMs", "cpuMs"] as const).flatMap((unit) => {
        const own = seen.get(name)!.map((measured) => measured[unit]);
        const ratios = base && own.map((value, round) => value / seen.get(base)![round]![unit]);
        return [median(own).toFixed(1), ratios ? rangeOf(ratios) : ""];
      });
      return `| ${[name, ...cells].join(" | ")} |`;
    }),
  ];
}

/** Returns the median of ratios, and their range. */
function rangeOf(ratios: readonly number[]): string {
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
}
