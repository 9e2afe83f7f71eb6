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
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  BENCH,
  compileSpawner,
  type Contender,
  hasCommand,
  measureRounds,
  type Work,
  writeReport,
} from "./contenders.ts";
import { median } from "./median.ts";
import { CLI, RUNTIMES } from "./runtimes.ts";

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
  const works = allWorks(compileSpawner(directory), Number(tasks))
    .filter(({ name }) => (names as string[]).length === 0 || (names as string[]).includes(name));
  const lines: string[] = [];
  for (const work of works) {
    const table = await measure(work, Number(rounds));
    console.log(table.join("\n") + "\n");
    lines.push(...table, "");
  }
  await writeReport("", lines);
}

function taskrunners(slots: number): Contender[] {
  return Object.entries(RUNTIMES).map(([name, run]) => ({
    name: `taskrunner on ${name}`,
    command: `exec ${run.join(" ")} ${CLI} $TASKS -o $OUT -j ${slots}`,
    writesLines: true,
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
  const parallel: Contender[] = hasCommand("parallel")
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
  const inputsOf = (commands: readonly string[], cmdOf: (command: string) => unknown = (command) => command) => ({
    COMMANDS: commands,
    TASKS: commands.map((command) => JSON.stringify({ cmd: cmdOf(command) })),
  });
  const withMemory = (megabytes: number): Contender[] => [
    ...Object.entries(RUNTIMES).map(([name, run]) => ({
      name: `taskrunner on ${name}, ${megabytes} MB held`,
      command: `exec ${run.join(" ")} ${BENCH}library.ts $TASKS $OUT 8 ${megabytes}`,
      writesLines: true,
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
      inputs: inputsOf(echo),
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
      inputs: inputsOf(truths.slice(0, count / 2), (program) => [program]),
      contenders: [...limit("exec", "posix_spawn of /bin/true, in C"), ...taskrunners(8)],
    },
    {
      name: "true-string",
      inputs: inputsOf(truths.slice(0, count / 2)),
      contenders: [...limit("sh", "posix_spawn of sh -c, in C"), ...taskrunners(8), xargs],
    },
    {
      name: "sleep",
      inputs: inputsOf(sleeps),
      contenders: [
        { name: "xargs -P16", command: xargs.command.replace("-P8", "-P16") },
        ...taskrunners(16),
        ...apis(16, 0, 0.5),
      ],
    },
    ...[64, 1000].map((slots) => ({
      name: `${slots}-slots`,
      inputs: inputsOf(naps),
      contenders: [...limit("exec", `posix_spawn of sleep, in C, ${slots} at once`, slots), ...taskrunners(slots)],
    })),
    {
      name: "output",
      inputs: inputsOf(outputs),
      contenders: [{ ...xargs, part: 1 }, ...taskrunners(8), ...apis(8, 0, 1)],
    },
    {
      name: "memory",
      inputs: inputsOf(echo),
      contenders: [...limit("sh", "posix_spawn of sh -c, in C"), ...[0, 500, 1000].flatMap(withMemory)],
    },
  ];
}

async function measure(work: Work, rounds: number): Promise<string[]> {
  const { name, contenders, inputs } = work;
  const seen = await measureRounds(work, { rounds, directory });
  const reference = seen[0]!;
  const rows = contenders.map((contender, index) => {
    const ratios = seen[index]!.map(({ perSecond }, round) => perSecond / reference[round]!.perSecond);
    const speed = median(seen[index]!.map(({ perSecond }) => perSecond));
    const cpu = median(seen[index]!.map(({ ownCpuUs }) => ownCpuUs));
    const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
    return `| ${contender.name} | ${speed.toFixed(0)} | ${median(ratios).toFixed(2)} | ${spread} | ${cpu.toFixed(0)} |`;
  });
  return [
    `## ${name}: ${inputs.TASKS!.length} tasks, ${rounds} rounds`,
    "",
    `| | tasks/s, median | relative to ${contenders[0]!.name} | min–max | CPU of the program itself, µs per task |`,
    "|---|---|---|---|---|",
    ...rows,
  ];
}
