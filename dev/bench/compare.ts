/**
 * Compares taskrunner with other ways to run the same commands. Each round runs every contender once; the result is the
 * ratio to the reference, the first contender, within the same round. Prints tables and writes them to
 * `dev/bench/results/`.
 *
 *     deno task bench [--rounds 5] [--tasks 20000] [WORK ...]
 *
 * WORK is echo, true-array, true-string, sleep, 64-slots, 1000-slots, output or memory; default: all. The contenders
 * need `apt-get install gcc libc6-dev parallel`; missing ones are skipped.
 */

import { parseArgs } from "@std/cli/parse-args";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { median } from "./median.ts";
import type { Measured } from "./ballast.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

const BENCH = fileURLToPath(new URL(".", import.meta.url));

interface Work {
  name: string;
  /** The commands for a shell. */
  commands: string[];
  /** The same commands as tasks. */
  tasks: unknown[];
  contenders: Contender[];
}

interface Contender {
  name: string;
  /**
   * Shell command that runs the work. `$COMMANDS` is the file of commands, `$TASKS` the task file, `$OUT` a new file.
   */
  command: string;
  /** Share of the work to run, for slow contenders; default: 1. */
  part?: number;
  /** If true, the benchmark checks that every task has a result. */
  isTaskrunner?: boolean;
  /** If true, the program prints its own measurement, which excludes the allocation of memory. */
  measuresItself?: boolean;
}

interface Measurement {
  perSecond: number;
  /** CPU time of the program per task, without its children. */
  ownCpuUs: number;
}

const { rounds = "5", tasks = "20000", _: names } = parseArgs(process.argv.slice(2), {
  string: ["rounds", "tasks", "_"],
});
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  await measureAll();
} finally {
  await rm(directory, { recursive: true });
}

async function measureAll(): Promise<void> {
  const spawner = compile(join(BENCH, "peers", "spawn.c"), join(directory, "spawn"));
  const works = allWorks(spawner, Number(tasks))
    .filter(({ name }) => (names as string[]).length === 0 || (names as string[]).includes(name));
  const versions = ["deno --version", "bun --version", "node --version"].map((command) =>
    execFileSync("sh", ["-c", `${command} | head -n 1`], { encoding: "utf8" }).trim()
  );
  const machine = `${cpus().length} CPUs (${cpus()[0]?.model.trim()}), ${process.platform}; ${versions.join(", ")}`;
  const lines = [`# ${new Date().toISOString().slice(0, 16)}Z`, "", machine, ""];
  for (const work of works) {
    const table = await measure(work, Number(rounds));
    console.log(table.join("\n") + "\n");
    lines.push(...table, "");
  }
  await mkdir(join(BENCH, "results"), { recursive: true });
  const name = new Date().toISOString().slice(0, 16).replace(":", "");
  await writeFile(join(BENCH, "results", `${name}.md`), lines.join("\n"));
}

/** Compiles a C program; returns `undefined` without a compiler. */
function compile(source: string, program: string): string | undefined {
  try {
    execFileSync("cc", ["-O2", "-o", program, source]);
    return program;
  } catch {
    return undefined;
  }
}

function has(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

function taskrunners(slots: number): Contender[] {
  return Object.entries(RUNTIMES).map(([name, run]) => ({
    name: `taskrunner on ${name}`,
    command: `exec ${run.join(" ")} ${CLI} $TASKS -o $OUT -j ${slots}`,
    isTaskrunner: true,
  }));
}

function apis(slots: number, megabytes: number, part: number): Contender[] {
  const program = (runtime: string, api: string) =>
    `exec ${RUNTIMES[runtime]!.join(" ")} ${BENCH}peers/api.ts ${api} $COMMANDS ${slots} ${megabytes}`;
  return [
    { name: "Deno.Command", command: program("deno", "deno"), part },
    { name: "Bun.spawn", command: program("bun", "bun"), part },
    { name: "Bun.$", command: program("bun", "bun-shell"), part },
    { name: "child_process.spawn on node", command: program("node", "node"), part },
    { name: "execa + p-limit on node", command: program("node", "execa"), part },
  ];
}

function allWorks(spawner: string | undefined, count: number): Work[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const limit = (how: string, name: string, slots = 8): Contender[] =>
    spawner ? [{ name, command: `${spawner} ${how} ${slots} <$COMMANDS >/dev/null`, part: 0.5 }] : [];
  const xargs: Contender = {
    name: "xargs -P8",
    command: `tr '\\n' '\\0' <$COMMANDS | xargs -0 -P8 -n1 sh -c >$OUT`,
    part: 0.5,
  };
  const parallel: Contender[] = has("parallel")
    ? [{ name: "GNU parallel", command: "parallel --will-cite -j8 <$COMMANDS >$OUT", part: 0.05 }]
    : [];
  /** Upper bound for shell workers: one shell per CPU runs a script that only creates the same output files. */
  const shells: Contender = {
    name: "two shells in a loop, with the same output files",
    command: `d=$(mktemp -d /dev/shm/taskrunner-bench-XXXXXX); split -n r/2 $COMMANDS $d/part.; for p in aa ab; do ` +
      `awk -v d=$d -v p=$p '{ print "(" $0 ") </dev/null >" d "/" p NR ".out 2>" d "/" p NR ".err; echo " NR " $?" }' ` +
      "$d/part.$p | sh >/dev/null & done; wait; rm -r $d",
    part: 0.5,
  };
  const echo = numbers.map((number) => `echo ${number}`);
  const truths = numbers.map(() => "/bin/true");
  const sleeps = numbers.slice(0, count / 10).map((number) => `sleep 0.0${String(number % 10 + 1).padStart(2, "0")}`);
  const naps = numbers.slice(0, count / 2).map(() => "sleep 0.01");
  const outputs = numbers.slice(0, count / 50).map(() => "head -c 1048576 /dev/zero | tr '\\0' x");
  const asText = (commands: string[]) => commands.map((cmd) => ({ cmd }));
  const withMemory = (megabytes: number): Contender[] => [
    ...Object.entries(RUNTIMES).map(([name, run]) => ({
      name: `taskrunner on ${name}, ${megabytes} MB held`,
      command: `exec ${run.join(" ")} ${BENCH}library.ts $TASKS $OUT 8 ${megabytes}`,
      isTaskrunner: true,
      measuresItself: true,
    })),
    ...apis(8, megabytes, megabytes > 0 ? 0.01 : 0.05).filter(({ name }) => name !== "Bun.$").map((api) => ({
      ...api,
      name: `${api.name}, ${megabytes} MB held`,
      measuresItself: true,
    })),
  ];
  return [
    {
      name: "echo",
      commands: echo,
      tasks: asText(echo),
      contenders: [
        ...limit("sh", "posix_spawn of sh -c, in C"),
        ...limit("fork", "fork alone, in C"),
        ...taskrunners(8),
        xargs,
        ...parallel,
        shells,
        ...apis(8, 0, 0.05),
      ],
    },
    {
      name: "true-array",
      commands: truths.slice(0, count / 2),
      tasks: truths.slice(0, count / 2).map((program) => ({ cmd: [program] })),
      contenders: [...limit("exec", "posix_spawn of /bin/true, in C"), ...taskrunners(8)],
    },
    {
      name: "true-string",
      commands: truths.slice(0, count / 2),
      tasks: asText(truths.slice(0, count / 2)),
      contenders: [...limit("sh", "posix_spawn of sh -c, in C"), ...taskrunners(8), xargs],
    },
    {
      name: "sleep",
      commands: sleeps,
      tasks: asText(sleeps),
      contenders: [
        { name: "xargs -P16", command: xargs.command.replace("-P8", "-P16") },
        ...taskrunners(16),
        ...apis(16, 0, 0.5),
      ],
    },
    ...[64, 1000].map((slots) => ({
      name: `${slots}-slots`,
      commands: naps,
      tasks: asText(naps),
      contenders: [...limit("exec", `posix_spawn of sleep, in C, ${slots} at once`, slots), ...taskrunners(slots)],
    })),
    {
      name: "output",
      commands: outputs,
      tasks: asText(outputs),
      contenders: [{ ...xargs, part: 1 }, ...taskrunners(8), ...apis(8, 0, 1)],
    },
    {
      name: "memory",
      commands: echo,
      tasks: asText(echo),
      contenders: [...limit("sh", "posix_spawn of sh -c, in C"), ...[0, 500, 1000].flatMap(withMemory)],
    },
  ];
}

async function measure({ name, commands, tasks, contenders }: Work, rounds: number): Promise<string[]> {
  const seen = contenders.map((): Measurement[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      seen[index]!.push(await runOnce(contender, commands, tasks));
    }
  }
  const reference = seen[0]!;
  const rows = contenders.map((contender, index) => {
    const ratios = seen[index]!.map(({ perSecond }, round) => perSecond / reference[round]!.perSecond);
    const speed = median(seen[index]!.map(({ perSecond }) => perSecond));
    const cpu = median(seen[index]!.map(({ ownCpuUs }) => ownCpuUs));
    const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
    return `| ${contender.name} | ${speed.toFixed(0)} | ${median(ratios).toFixed(2)} | ${spread} | ${cpu.toFixed(0)} |`;
  });
  return [
    `## ${name}: ${tasks.length} tasks, ${rounds} rounds`,
    "",
    `| | tasks/s, median | relative to ${contenders[0]!.name} | min–max | CPU of the program itself, µs per task |`,
    "|---|---|---|---|---|",
    ...rows,
  ];
}

async function runOnce(contender: Contender, commands: string[], tasks: unknown[]): Promise<Measurement> {
  const count = Math.ceil(commands.length * (contender.part ?? 1));
  const [commandFile, taskFile, output] = ["commands", "tasks.jsonl", "out"].map((name) => join(directory, name));
  await writeFile(commandFile!, commands.slice(0, count).map((command) => command + "\n").join(""));
  await writeFile(taskFile!, tasks.slice(0, count).map((task) => JSON.stringify(task) + "\n").join(""));
  await rm(output!, { force: true });
  const env = { ...process.env, COMMANDS: commandFile!, TASKS: taskFile!, OUT: output! };
  const startedMs = performance.now();
  const child = spawn("sh", ["-c", contender.command], { stdio: ["ignore", "pipe", "inherit"], env });
  let printed = "";
  child.stdout.on("data", (chunk) => printed += chunk);
  let ownCpuMs = 0;
  const sampling = setInterval(() => ownCpuMs = cpuMsOf(child.pid!) ?? ownCpuMs, 20);
  const status = await new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
  const seconds = (performance.now() - startedMs) / 1000;
  clearInterval(sampling);
  if (status !== 0) throw new Error(`${contender.name} exited with ${status}`);
  if (contender.isTaskrunner) {
    const results = readFileSync(output!, "utf8").trimEnd().split("\n").length;
    if (results !== count) throw new Error(`${contender.name}: ${results} results for ${count} tasks`);
  }
  const measured: Measured = contender.measuresItself ? JSON.parse(printed) : { seconds, cpuMs: ownCpuMs };
  return { perSecond: count / measured.seconds, ownCpuUs: measured.cpuMs * 1000 / count };
}

/** Returns the CPU time of a process so far, without its children, or `undefined` if it has ended. */
function cpuMsOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10; // ticks of 10 ms
  } catch {
    return undefined;
  }
}
