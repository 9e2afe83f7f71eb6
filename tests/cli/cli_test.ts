import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { splitArguments } from "../../cli/args/arguments.ts";
import { unknownFlag } from "../../cli/args/unknown_flag.ts";
import { type Flags, type FlagValues, type GivenFlags, spellingsOf, undoingSpelling } from "../../cli/args/flag.ts";
import { JOBS, parseJobs, parseSize, text } from "../../cli/args/units.ts";
import { allFlagsOf, flagsOfAll, parseValues } from "../../cli/command.ts";
import { loadCommands } from "../../cli/commands/mod.ts";
import { VERSION } from "../../text/version.ts";
import { parseResult } from "../../mod.ts";
import {
  isAlive,
  jsonLines,
  parseResults,
  PROJECT,
  RUN_MODULE,
  RUNTIME,
  shell,
  start,
  startTaskrunner,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { runHere } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

const COMMANDS = await loadCommands();
const ALL_FLAGS = flagsOfAll(COMMANDS);

// cspell:ignore prosc

const echo = (count: number) => Array.from({ length: count }, (_, index) => ({ cmd: `echo ${index + 1}` }));

test("tasks from standard input have their results on standard output", async () => {
  for (const args of [[], ["run"], ["-"], ["run", "-"]]) {
    const { status, stdout, stderr } = await taskrunner(args, {
      stdin: '{"cmd":"echo hi"}\n{"id":"x","cmd":["echo","ho"]}',
    });
    assertEquals([status, stderr], [0, ""]);
    const results = stdout.split("\n").slice(0, -1).map((line) => parseResult(JSON.parse(line)));
    assertEquals(results.map(({ id, stdout }) => [id, stdout]).sort(), [["1", "hi\n"], ["x", "ho\n"]]);
  }
});

test("tasks from a file run with and without the word `run`", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, echo(3));
    for (const args of [[path], ["run", path], ["run", "--", path]]) {
      const { status, results } = await taskrunner(args);
      assertEquals([status, results.map(({ stdout }) => stdout).sort()], [0, ["1\n", "2\n", "3\n"]]);
    }
  });
});

test("a file with the name of a command can be given as a path", async () => {
  await withTempDirectory(async (directory) => {
    await taskFile(directory, echo(1), "run");
    const { results } = await taskrunner(["./run"], { cwd: directory });
    assertEquals(results.length, 1);
  });
});

test("mod.ts starts the command, as `deno run jsr:@x/taskrunner` requires", async () => {
  const args = [...RUN_MODULE, join(PROJECT, "mod.ts"), "--version"];
  assertEquals((await start(process.execPath, args, { stdin: "" }).ended).stdout, `taskrunner ${VERSION}\n`);
});

test("-o writes the results to a file", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const { status, stdout } = await taskrunner(["-o", path], { stdin: jsonLines(echo(20)) });
    assertEquals([status, stdout], [0, ""]);
    const results = parseResults(await readFile(path, "utf8"));
    assertEquals(results.map(({ id }) => Number(id)).sort((a, b) => a - b), echo(20).map((_, index) => index + 1));
    const { stdout: shown } = await taskrunner(["-o", "-"], { stdin: jsonLines(echo(1)) });
    assertEquals(parseResults(shown).length, 1);
  });
});

test("-o accepts a file that is not a regular file", async () => {
  await withTempDirectory(async (directory) => {
    const options = { stdin: jsonLines([{ cmd: "printf 12345" }]), env: { TMPDIR: directory } };
    const { status, stderr } = await taskrunner(["-o", "/dev/null", "--max-inline", "1"], options);
    assertEquals([status, stderr], [0, ""]);
    assertEquals((await readdir(directory)).length, 1); // large output is in TMPDIR, not beside the device
  });
});

test("-o never overwrites existing results", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, "precious\n");
    const { status, stderr } = await taskrunner(["-o", path], {
      stdin: jsonLines([{ cmd: `touch ${directory}/ran` }]),
    });
    assertEquals(status, 255);
    assertStringIncludes(stderr, `Cannot write results to ${JSON.stringify(path)}: it is not empty`);
    assertEquals(await readFile(path, "utf8"), "precious\n");
    assertEquals(await readdir(directory), ["results.jsonl"]);
  });
});

test("-k writes the results in the order of the tasks", async () => {
  const tasks = [{ cmd: "sleep 0.5; echo 1" }, { cmd: "exit 3" }, { cmd: ["no-such-program"] }, { cmd: "echo 4" }];
  for (const flag of ["-k", "--keep-order"]) {
    const { results } = await taskrunner([flag, "-j", "4"], { stdin: jsonLines(tasks) });
    assertEquals(results.map(({ id, status }) => [id, status]), [["1", 0], ["2", 3], ["3", 127], ["4", 0]]);
  }
});

test("-j limits the number of tasks that run at once", async () => {
  await withTempDirectory(async (directory) => {
    // Each of four tasks waits until it sees the three others, so that fewer than four slots would never finish.
    const meet = (name: number) => ({
      cmd: `touch ${directory}/${name}; until [ $(ls ${directory} | wc -l) = 4 ]; do sleep 0.01; done`,
    });
    for (const jobs of [["-j", "4"], ["-j4"], ["--jobs=4"], ["--jobs", "4"]]) {
      const { status } = await taskrunner(jobs, { stdin: jsonLines([1, 2, 3, 4].map(meet)) });
      assertEquals(status, 0);
      await shell(`rm ${directory}/*`);
    }
    const one = { cmd: `mkdir ${directory}/lock && sleep 0.02 && rmdir ${directory}/lock` };
    assertEquals((await taskrunner(["-j1"], { stdin: jsonLines(Array(10).fill(one)) })).status, 0);
  });
});

test("--shell chooses the shell", async () => {
  const { results } = await taskrunner(["--shell", "bash"], {
    stdin: jsonLines([{ cmd: "echo ${BASH_VERSION:+bash}" }]),
  });
  assertEquals(results[0]!.stdout, "bash\n");
});

test("--executor takes the names of executors", async () => {
  assertEquals((await taskrunner(["--executor", "process"], { stdin: jsonLines(echo(1)) })).status, 0);
  const { status, stderr } = await taskrunner(["--executor", "magic"]);
  assertEquals(status, 255);
  assertStringIncludes(stderr, '--executor must be shell or process, got "magic"');
});

test("--max-output ends a task that prints too much", async () => {
  const flags = ["-j1", "--max-output", "2k", "--kill-after", "0"];
  const { status, results } = await taskrunner(flags, { stdin: jsonLines([{ cmd: "yes" }, { cmd: "echo 2" }]) });
  assertEquals(status, 1);
  assertEquals(results.map(({ outcome, stdout }) => [outcome, stdout.length]), [["output-limit", 2000], ["ok", 2]]);
});

test("--max-inline limits the output in a result, and --spill-dir receives the complete output", async () => {
  await withTempDirectory(async (directory) => {
    const stdin = jsonLines([{ cmd: "head -c 2000 /dev/zero | tr '\\0' x" }]);
    const spill = join(directory, "spill");
    const { results: [result] } = await taskrunner(["--max-inline", "1K", "--spill-dir", spill], { stdin });
    assertEquals([result!.stdout.length, result!.stdoutBytes], [1024, 2000]);
    assertEquals(result!.stdoutFile, join(spill, "1.stdout"));
    assertEquals((await stat(result!.stdoutFile!)).size, 2000);

    const output = join(directory, "results.jsonl");
    await taskrunner(["--max-inline", "1k", "-o", output], { stdin });
    const [written] = parseResults(await readFile(output, "utf8"));
    assertEquals([written!.stdout.length, written!.stdoutFile], [1000, join(`${output}.output`, "1.stdout")]);
  });
});

test("the exit status is the number of tasks that are not ok, and 101 for more than 100", async () => {
  const failing = (count: number) => jsonLines([{ cmd: "true" }, ...Array(count).fill({ cmd: ["false"] })]);
  for (const [count, expected] of [[0, 0], [1, 1], [3, 3], [100, 100], [101, 101], [120, 101]] as const) {
    assertEquals((await taskrunner(["-j8"], { stdin: failing(count) })).status, expected);
  }
  const { status } = await taskrunner([], { stdin: jsonLines([{ cmd: ["no-such-program"] }, { cmd: "kill -9 $$" }]) });
  assertEquals(status, 2);
});

test("a run without tasks succeeds", async () => {
  assertEquals([(await taskrunner([])).status, (await taskrunner(["/dev/null"])).status], [0, 0]);
});

test("--version prints the version", async () => {
  assertEquals((await taskrunner(["--version"])).stdout, `taskrunner ${VERSION}\n`);
});

// Deno loads the target of a literal import() before the program starts, and evaluates it at the call.
if (RUNTIME !== "deno") {
  test("--help works without the pool and the schema library, so it does not wait for them", async () => {
    await withTempDirectory(async (directory) => {
      for (const part of ["cli.ts", "cli", "system", "text", "jsonl", "package.json"]) {
        await cp(join(PROJECT, part), join(directory, part), { recursive: true });
      }
      await mkdir(join(directory, "node_modules"));
      for (const name of ["@std", "deno-std"]) {
        await symlink(join(PROJECT, "node_modules", name), join(directory, "node_modules", name));
      }
      const { status, stdout } = await shell("$RUNTIME cli.ts run --help", { cwd: directory });
      assertEquals(status, 0);
      assertStringIncludes(stdout, "--jobs");
      assert((await shell("$RUNTIME cli.ts", { cwd: directory })).status !== 0);
    });
  });
}

test("--dry-run checks every line and runs nothing", async () => {
  await withTempDirectory(async (directory) => {
    const good = await taskFile(directory, [{ cmd: `touch ${directory}/ran` }, { cmd: "true" }], "good.jsonl");
    const { status, stdout, stderr } = await taskrunner(["--dry-run", good]);
    assertEquals([status, stdout], [0, ""]);
    assertEquals(stderr, "taskrunner: 2 valid tasks, 0 invalid lines; nothing was run\n");
    const stdin = jsonLines([{ cmd: `touch ${directory}/ran` }, { cmd: 1 }, { cmd: "true" }, 5]);
    const bad = await taskrunner(["--dry-run"], { stdin });
    assertEquals([bad.status, bad.stdout], [255, ""]);
    assertMatch(bad.stderr, /standard input:2: .*\n.*standard input:4: .*\n.*2 valid tasks, 2 invalid lines;/);
    assertEquals(await readdir(directory), ["good.jsonl"]);
  });
});

test("the first result is written before the input ends", async () => {
  const { child, output, ended } = startTaskrunner([]);
  child.stdin!.write('{"cmd":"echo early"}\n');
  await waitFor("the first result", () => output.stdout.includes("early"));
  child.stdin!.end('{"cmd":"echo late"}\n');
  assertEquals(parseResults((await ended).stdout).length, 2);
});

test("a closed standard output ends the run quietly", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, echo(100_000));
    const { stdout, stderr } = await shell(`{ $RUNTIME cli.ts ${path}; echo "status $?" >&2; } | head -n 3 | wc -l`);
    assertEquals([stdout.trim(), stderr], ["3", "status 141\n"]);
  });
});

test("a stop signal ends the running tasks and writes their results", async () => {
  const signals = [["SIGINT", 130], ["SIGQUIT", 131], ["SIGTERM", 143]] as const;
  for (const [signal, expected] of signals) {
    await withTempDirectory(async (directory) => {
      const cmd = `sleep 300 & echo $! > ${directory}/child; echo started; echo $$ > ${directory}/parent; wait`;
      const { child, ended } = startTaskrunner(["-j1", "-q"], { stdin: jsonLines([{ cmd }, { cmd: "true" }]) });
      const pid = async (name: string) => Number(await readFile(join(directory, name), "utf8").catch(() => ""));
      await waitFor("the task", async () => await pid("parent") > 0);
      process.kill(child.pid!, signal);
      const { status, stdout, stderr } = await ended;
      const notice = `taskrunner: ${signal}: ending 1 running task; send ${signal} again to kill it\n`;
      assertEquals([status, stderr], [expected, notice]);
      assertEquals(parseResults(stdout).map(({ id, outcome, stdout }) => [id, outcome, stdout]), [
        ["1", "canceled", "started\n"],
      ]);
      for (const name of ["child", "parent"]) assert(!isAlive(await pid(name)), name);
    });
  }
});

test("a second signal does not wait for a task that ignores the first", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = `trap 'touch asked' TERM; echo $$ > pid; while :; do sleep 0.01; done`;
    const { child, ended } = startTaskrunner(["--kill-after", "1h"], { stdin: jsonLines([{ cmd, cwd: directory }]) });
    await waitFor("the task", () => existsSync(join(directory, "pid")));
    process.kill(child.pid!, "SIGINT");
    await waitFor("the task to be asked", () => existsSync(join(directory, "asked")));
    process.kill(child.pid!, "SIGTERM");
    const { status, stdout, stderr } = await ended;
    assert(status === 130 || status === 143, `${status}`);
    assertStringIncludes(stderr, "taskrunner: SIGINT: ending 1 running task; send SIGINT again to kill it\n");
    assertStringIncludes(stderr, "taskrunner: SIGTERM: killing 1 running task; send SIGTERM again to exit at once\n");
    assertEquals(parseResults(stdout).map(({ outcome, signal }) => [outcome, signal]), [["canceled", "SIGKILL"]]);
    assert(!isAlive(Number(await readFile(join(directory, "pid"), "utf8"))));
  });
});

test("a slow reader of standard error gets all messages", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "bad.jsonl");
    await writeFile(path, "bad\n".repeat(20_000));
    const script = `{ $RUNTIME cli.ts --dry-run ${path} 2>&1 > /dev/null; } | { read -r line; sleep 1; wc -l; }`;
    assertEquals((await shell(script)).stdout.trim(), "20000");
  });
});

test("a signal stops a run that waits for its input, with and without --dry-run", async () => {
  for (const flag of ["-j1", "--dry-run"]) {
    const { child, output, ended } = startTaskrunner([flag]);
    child.stdin!.write(flag === "-j1" ? '{"cmd":"echo early"}\n' : "bad\n");
    await waitFor("the line to be read", () => (output.stdout + output.stderr).length > 0);
    process.kill(child.pid!, "SIGINT");
    assertEquals((await ended).status, 130);
  }
});

test("a results file that is a closed pipe ends the run quietly", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(directory, echo(100_000));
    const script = `{ $RUNTIME cli.ts ${path} -o /dev/stdout; echo "status $?" >&2; } | head -n 3 | wc -l`;
    const { stdout, stderr } = await shell(script);
    assertEquals([stdout.trim(), stderr], ["3", "status 141\n"]);
  });
});

test("a flag without a value does not take the next operand", async () => {
  await withTempDirectory(async (directory) => {
    await taskFile(directory, echo(2), "true");
    const { stderr } = await taskrunner(["--dry-run", "true"], { cwd: directory });
    assertEquals(stderr, "taskrunner: 2 valid tasks, 0 invalid lines; nothing was run\n");
  });
});

test("flags can be written in every usual form", () => {
  const cases: [args: string[], flags: Record<string, string | boolean>][] = [
    [["-ofile"], { output: "file" }],
    [["-oa=b"], { output: "a=b" }],
    [["-o=_x"], { output: "_x" }],
    [["-j50%", "-kq0"], { jobs: "50%", "keep-order": true, quiet: true, null: true }],
    [["-kofile"], { "keep-order": true, output: "file" }],
    [["--no-progress"], { progress: false }],
    [["-k", "--no-keep-order"], { "keep-order": false }],
    [["--no-keep-order", "-k"], { "keep-order": true }],
    [["-j4", "--no-jobs"], { jobs: false }],
    [["--no-jobs", "-j4"], { jobs: "4" }],
    [["-o", "-"], { output: "-" }],
    [["--output=a\nb"], { output: "a\nb" }],
    [["-j1", "--jobs", "2"], { jobs: "2" }],
    [[`-${"k".repeat(10_000)}`], { "keep-order": true }],
  ];
  for (const [args, flags] of cases) {
    const operands = ["-", "", "-k"];
    const expected = { given: flags, operands, unknown: undefined, error: undefined };
    assertEquals(splitArguments([...args, "-", "", "--", "-k"], ALL_FLAGS), expected);
  }
});

test("only a flag whose unit allows it takes an empty value", () => {
  const flags = {
    "jobs": { short: "j", unit: JOBS, help: "" },
    "recend": { unit: { ...text("TEXT"), takesEmpty: true }, help: "" },
  } as const satisfies Flags;
  for (const args of [["--recend", ""], ["--recend="]]) {
    assertEquals(splitArguments(args, flags), {
      given: { recend: "" },
      operands: [],
      unknown: undefined,
      error: undefined,
    });
  }
  for (const args of [["--jobs", ""], ["--jobs="], ["-j", ""], ["-j="]]) {
    assertEquals(splitArguments(args, flags).error?.message, "Missing value for --jobs: -j, --jobs N");
  }
  assertEquals(splitArguments(["--recend"], flags).error?.message, "Missing value for --recend: --recend TEXT");
});

test("a flag can have aliases, and can repeat", () => {
  const flags = {
    "jobs": { short: "j", aliases: ["--max-procs", "-P"], unit: JOBS, help: "" },
    "arg-file": { short: "a", aliases: ["--file"], unit: text("FILE"), repeats: true, help: "" },
    "keep-order": { short: "k", aliases: ["--keep", "-K"], help: "" },
  } as const satisfies Flags;
  const cases: [args: string[], given: GivenFlags, unknown?: string][] = [
    [["-P", "4"], { jobs: "4" }],
    [["-j2", "--max-procs=4"], { jobs: "4" }],
    [["-KP4"], { "keep-order": true, jobs: "4" }],
    [["--keep"], { "keep-order": true }],
    [["-a", "x", "--file=y", "-kaz"], { "arg-file": ["x", "y", "z"], "keep-order": true }],
    [["--P", "4"], {}, "--P"],
    [["--K"], {}, "--K"],
  ];
  for (const [args, given, unknown] of cases) {
    assertEquals(splitArguments(args, flags), { given, operands: [], unknown, error: undefined });
  }
  assertEquals(splitArguments(["-P"], flags).error?.message, "Missing value for --jobs: -j, --jobs N");
  const values: FlagValues<typeof flags> = { jobs: 4, "arg-file": ["x", "y"], "keep-order": true };
  const command = { ...COMMANDS[0]!, flags: { "Flags": flags } };
  assertEquals(parseValues({ jobs: "4", "arg-file": ["x", "y"], "keep-order": true }, command, COMMANDS), values);
  assertStringIncludes(unknownFlag("--max-prosc", flags).message, "did you mean --max-procs?");
});

test("a flag is parsed in the same way for all commands", () => {
  const names = new Map<string, string>();
  for (const command of COMMANDS) {
    for (const [name, flag] of Object.entries(allFlagsOf(command))) {
      const other = ALL_FLAGS[name]!;
      assertEquals([name, other.unit === undefined, other.repeats], [name, flag.unit === undefined, flag.repeats]);
      assertEquals(spellingsOf(name, other), spellingsOf(name, flag));
      assertEquals(other.unit?.takesEmpty, flag.unit?.takesEmpty, name);
      // A flag without defaults has nothing to undo.
      if (!flag.isCommandLineOnly) assertEquals(undoingSpelling(name, other), undoingSpelling(name, flag));
      for (const spelling of spellingsOf(name, flag)) {
        assertEquals(names.get(spelling) ?? name, name, spelling);
        names.set(spelling, name);
      }
    }
  }
});

test("a flag of another command is an error that names the command", async () => {
  const errors: [args: string[], message: string][] = [
    [["stats", "x", "--port", "1"], "--port is a flag of taskrunner watch, not of taskrunner stats"],
    [["worker", "--retries", "2"], "--retries is a flag of taskrunner run and each, not of taskrunner worker"],
    [["runs", "ls", "-j1"], "--jobs is a flag of taskrunner run, each and worker, not of taskrunner runs"],
    [["--pipe"], "--pipe is a flag of taskrunner each, not of taskrunner run"],
    [["--json"], "--json is a flag of taskrunner stats, not of taskrunner run"],
    [["--jobs"], "Missing value for --jobs: -j, --jobs N"],
    [["report", "x", "-o"], "Missing value for --output: -o, --output FILE"],
    [["report", "-o", "--version", "x"], "Missing value for --output: -o, --output FILE"],
    [["--output=", "trace", "x"], "Missing value for --output: -o, --output FILE"],
    [["stats", "--json=yes", "--unknown"], '--json takes no value, got "yes"'],
  ];
  for (const [args, message] of errors) {
    const { status, stderr } = await runHere(args);
    assertEquals(status, 255);
    const command = COMMANDS.find(({ name }) => args.includes(name))?.name ?? "run";
    assertEquals(stderr, `taskrunner: ${message}\nTry 'taskrunner ${command} --help'.\n`);
  }
  const { stderr } = await taskrunner(["stats", "--jason"]);
  assertStringIncludes(stderr, 'Unknown flag "--jason", did you mean --json?');
});

test("a size with a fraction is rounded to whole bytes", () => {
  assertEquals(["1.005k", "1.1K", "0.3", "8.5"].map((text) => parseSize("--max-output", text)), [1005, 1126, 0, 9]);
});

test("a number of jobs can refer to the CPUs", () => {
  const jobs = (text: string) => parseJobs("-j", text, 4);
  assertEquals(["1%", "50%", "100%", "250%"].map(jobs), [1, 2, 4, 10]);
  assertEquals(["+0", "+3", "-0", "-1", "-4", "-9"].map(jobs), [4, 7, 4, 3, 1, 1]);
  assertEquals(["1", "08", "0", "00"].map(jobs), [1, 8, 10_000, 10_000]);
});

test("-j 0 runs all tasks at once, -j +N and -j -N have the number of the CPUs plus or minus N", async () => {
  // Each task ends only when all have begun.
  const cmd = `echo >> begun; until [ "$(wc -l < begun)" -ge 40 ]; do sleep 0.05; done`;
  for (const args of [["-j", "0"], ["-P0"], ["--max-procs=+40"]]) {
    await withTempDirectory(async (directory) => {
      const { status } = await taskrunner(args, { stdin: jsonLines(Array(40).fill({ cmd })), cwd: directory });
      assertEquals(status, 0);
    });
  }
  const { results } = await taskrunner(["-j", "-9999"], { stdin: jsonLines(echo(5)) });
  assertEquals(results.map(({ slot }) => slot), [1, 1, 1, 1, 1]);
});

test("a slow reader of standard output gets all results", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(
      directory,
      Array(20).fill({ cmd: `echo >> ${directory}/done; head -c 500000 /dev/zero | tr '\\0' x` }),
    );
    // The reader reads the first line, and the rest only when more results are waiting than fit into a pipe.
    const reader = `{ read -r line; until [ "$(wc -l < ${directory}/done)" -ge 3 ]; do sleep 0.01; done; wc -lc; }`;
    const { stdout, stderr } = await shell(`{ $RUNTIME cli.ts -q -j2 ${path}; echo "status $?" >&2; } | ${reader}`);
    assertEquals(stderr, "status 0\n");
    const [lines, bytes] = stdout.trim().split(/\s+/).map(Number);
    assertEquals(lines, 19);
    assert(bytes! > 19 * 500_000, stdout);
  });
});

test("a full disk ends the run with a message, and the results file ends with a complete line", async () => {
  await withTempDirectory(async (directory) => {
    // A file size limit has the same effect as a full disk without root. SIGXFSZ is ignored, as runtimes do.
    const path = join(directory, "results.jsonl");
    const tasks = await taskFile(
      directory,
      Array(200).fill({ cmd: "head -c 1000 /dev/zero | tr '\\0' x; sleep 0.001" }),
    );
    const { status, stderr } = await shell(`trap '' XFSZ; ulimit -f 64; exec $RUNTIME cli.ts ${tasks} -j2 -o ${path}`, {
      env: { NO_COLOR: "1" },
    });
    assertEquals(status, 255);
    assertStringIncludes(
      stderr,
      `Cannot write results to ${JSON.stringify(path)}: the file would exceed the size limit`,
    );
    const text = await readFile(path, "utf8");
    assert(text.endsWith("\n") && text.length > 10_000, `${text.length}`);
    for (const line of text.split("\n").slice(0, -1)) parseResult(JSON.parse(line));
  });
});

test("standard output on a full disk is an error with the reason", async () => {
  const { status, stderr } = await shell(`echo '{"cmd":"true"}' | $RUNTIME cli.ts > /dev/full`);
  assertEquals(status, 255);
  assertStringIncludes(stderr, "Cannot write to standard output: no space left on the device");
});

test("a run leaves no temporary files", async () => {
  await withTempDirectory(async (directory) => {
    const { status } = await taskrunner([], { stdin: jsonLines(echo(5)), env: { TMPDIR: directory } });
    assertEquals([status, await readdir(directory)], [0, []]);
  });
});
