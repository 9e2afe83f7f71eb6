import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { jsonLines, shell, taskFile, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { runHere } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

/** Invalid lines, with their messages. */
const BAD_LINES: [string | Uint8Array, string][] = [
  ["nonsense", "Cannot read the line: it is not valid JSON"],
  ["[1]", 'Cannot read the task: it must be a JSON object such as {"cmd":"echo hi"}, got [1]'],
  ['"echo hi"', 'Cannot read the task: it must be a JSON object such as {"cmd":"echo hi"}, got "echo hi"'],
  ["{}", 'Cannot read the task: the field "cmd" is missing'],
  ['{"cmd":""}', 'Cannot read the task: "cmd" must not be empty, got ""'],
  [
    '{"cmd":7}',
    'Cannot read the task: "cmd" must be a shell command or an array of a program and its arguments, got 7',
  ],
  ['{"cmd":["echo",7]}', 'Cannot read the task: "cmd[1]" must be a string, got 7'],
  [
    '{"cmd":["echo","a\\u0000"]}',
    'Cannot read the task: "cmd[1]" must not contain a NUL character or a lone surrogate, got "a\\u0000"',
  ],
  ['{"cmd":"x","cmmd":"y"}', 'Cannot read the task: unknown field "cmmd", did you mean "cmd"?'],
  ['{"cmd":"x","retries":"3"}', 'Cannot read the task: "retries" must be an integer of at least 0, got "3"'],
  ['{"cmd":"x","env":{"A":1}}', 'Cannot read the task: "env.A" must be a string'],
  [new Uint8Array([0x22, 0xff, 0x22]), "Cannot read the line: it is not valid UTF-8"],
];

function withLine(bad: string | Uint8Array): Uint8Array {
  const before = new TextEncoder().encode('{"cmd":"echo before >&2; touch ran"}\n');
  const line = typeof bad === "string" ? new TextEncoder().encode(bad) : bad;
  return new Uint8Array([...before, ...line, 0x0a, ...new TextEncoder().encode('{"cmd":"echo after"}\n')]);
}

for (const [line, problem] of BAD_LINES) {
  test(`a task file with an invalid line runs no task, and the message names the line: ${problem}`, async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "tasks.jsonl");
      await writeFile(path, withLine(line));
      const { status, stdout, stderr } = await taskrunner([path], { cwd: directory });
      assertEquals([status, stdout], [255, ""]);
      assertStringIncludes(stderr, `taskrunner: ${path}:2: ${problem}`);
      assertEquals(stderr.split("\n").length, 2, stderr); // one message
      assertEquals((await shell(`ls ${directory}`)).stdout, "tasks.jsonl\n");
    });
  });
}

test("a first line that is a command is answered with the command that runs each line", async () => {
  const hint = "; to run each line as a command, write taskrunner each sh -c";
  for (const line of ["echo a", "./run", "/bin/true", "touch it"]) {
    const { status, stderr } = await taskrunner([], { stdin: `${line}\necho b\n` });
    assertEquals([status, stderr.trim().endsWith(hint)], [255, true], stderr);
  }
  for (const line of ["{", '{"cmd":"true"}\necho a', "[echo", "7 8"]) {
    const { status, stderr } = await taskrunner([], { stdin: `${line}\n` });
    assertEquals([status, stderr.includes(hint)], [255, false], stderr);
  }
});

test(
  "an invalid line in a stream lets running tasks finish, and is then reported",
  async () => {
    const stdin = jsonLines([{ cmd: "sleep 1; echo slow" }, { cmd: "echo quick" }]) + "oops\n" +
      jsonLines([{ cmd: "echo no" }]);
    const { status, results, stderr } = await taskrunner(["-j3"], { stdin });
    assertEquals(status, 255);
    assertEquals(results.map(({ id, outcome }) => [id, outcome]).sort(), [["1", "ok"], ["2", "ok"]]);
    assertStringIncludes(stderr, "taskrunner: standard input:3: Cannot read the line: it is not valid JSON");
  },
);

test(
  "--on-invalid skip reports invalid lines and runs the rest, from a file and from a stream",
  async () => {
    await withTempDirectory(async (directory) => {
      const lines = jsonLines([{ cmd: "echo 1" }, { cmdd: "echo 2" }, { cmd: "echo 3" }, 4]) + '{"cmd":"cut of';
      const path = join(directory, "tasks.jsonl");
      await writeFile(path, lines);
      for (const [args, name] of [[[path], path], [[], "standard input"]] as const) {
        const { status, results, stderr } = await taskrunner(["--on-invalid", "skip", "-k", ...args], { stdin: lines });
        assertEquals(status, 255);
        assertEquals(results.map(({ id }) => id), ["1", "3"]);
        const reports = stderr.split("\n");
        assertEquals(reports.length, 4, stderr);
        assertStringIncludes(reports[0]!, `taskrunner: ${name}:2: Cannot read the task: unknown field "cmdd"`);
        assertStringIncludes(reports[1]!, `taskrunner: ${name}:4: Cannot read the task: it must be a JSON object`);
        assertStringIncludes(reports[2]!, `taskrunner: ${name}:5: Cannot read the line: it is not valid JSON`);
        assertStringIncludes(reports[2]!, "was it cut off?");
      }
    });
  },
);

test("a line above the limit of 64 MiB is an error that names the line", async () => {
  const script = `{ echo '{"cmd":"echo first"}'; head -c 70000000 /dev/zero | tr '\\0' ' '; } | $RUNTIME cli.ts`;
  const { status, stdout, stderr } = await shell(script);
  assertEquals(status, 255);
  assertStringIncludes(stdout, "first");
  assertStringIncludes(stderr, "standard input:2: Cannot read the line: it is longer than the limit of 67108864 bytes");
});

test("the error for an incomplete last line suggests that the input is truncated", async () => {
  const { status, results, stderr } = await taskrunner([], { stdin: '{"cmd":"echo 1"}\n{"cmd":"ech' });
  assertEquals([status, results.length], [255, 1]);
  assertStringIncludes(stderr, "standard input:2: Cannot read the line: it is not valid JSON");
  assertStringIncludes(stderr, "the input ends here, without a newline: was it cut off?");
});

test("a task file that cannot be read is an error with the reason", async () => {
  await withTempDirectory(async (directory) => {
    const secret = await taskFile(directory, [{ cmd: "true" }], "secret.jsonl");
    await symlink("loop", join(directory, "loop"));
    const cases = [
      ["missing.jsonl", 'Cannot read tasks from "missing.jsonl": no such file or directory'],
      [".", 'Cannot read tasks from ".": it is a directory, not a file of JSON Lines'],
      ["secret.jsonl/x", 'Cannot read tasks from "secret.jsonl/x": a part of the path is not a directory'],
      ["loop", 'Cannot read tasks from "loop": too many symbolic links'],
    ] as const;
    for (const [path, message] of cases) {
      const { status, stdout, stderr } = await taskrunner([path], { cwd: directory });
      assertEquals([status, stdout], [255, ""]);
      assertStringIncludes(stderr, `taskrunner: ${message}`);
    }
    // Root can read every file, so the test drops its capabilities.
    const drop = (await shell("id -u")).stdout === "0\n" ? "setpriv --bounding-set -all --inh-caps -all" : "";
    const script = `chmod 000 ${secret}; ${drop} $RUNTIME cli.ts ${secret}`;
    const { status, stderr } = await shell(script);
    assertEquals(status, 255);
    assertStringIncludes(stderr, `Cannot read tasks from ${JSON.stringify(secret)}: permission denied`);
  });
});

test("standard input that is a directory is an error", async () => {
  const { status, stderr } = await shell("$RUNTIME cli.ts < /");
  assertEquals([status, stderr], [255, 'taskrunner: Cannot read tasks from "standard input": it is a directory\n']);
});

test("a results file that cannot be written is an error, and no task runs", async () => {
  await withTempDirectory(async (directory) => {
    await mkdir(join(directory, "folder"));
    const cases = [
      ["no/such/dir/results.jsonl", "no such file or directory"],
      ["folder", "it is a directory"],
    ] as const;
    for (const [path, reason] of cases) {
      const stdin = jsonLines([{ cmd: "touch ran" }]);
      const { status, stderr } = await taskrunner(["-o", path], { cwd: directory, stdin });
      assertEquals(status, 255);
      assertStringIncludes(stderr, `taskrunner: Cannot write results to ${JSON.stringify(path)}: ${reason}`);
    }
    assertEquals((await shell(`ls ${directory}`)).stdout, "folder\n");
  });
});

test("wrong flags are errors that name what is valid", async () => {
  const TASK = new TextEncoder().encode(jsonLines([{ cmd: "echo ran" }]));
  const jobs =
    "--jobs must be N, +N or -N for more or fewer than the CPUs, N% of the CPUs, or 0 for as many as possible, got";
  const size = "--max-inline must be a size such as 500000, 64K or 1.5M, got";
  const cases: [string[], string][] = [
    [["-j", "x"], `${jobs} "x"`],
    [["-j", "-1.5"], `${jobs} "-1.5"`],
    [["-j-x"], `${jobs} "-x"`],
    [["-P+"], `${jobs} "+"`],
    [["--jobs", "+5%"], `${jobs} "+5%"`],
    [["--max-procs=99999999999999999999"], `${jobs} "99999999999999999999"`],
    [["-j", "0%"], `${jobs} "0%"`],
    [["-j", "1.5"], `${jobs} "1.5"`],
    [["-j"], "Missing value for --jobs: -j, --jobs N"],
    [["-o"], "Missing value for --output: -o, --output FILE"],
    [["--max-inline", "much"], `${size} "much"`],
    [["--max-inline", "-5"], `${size} "-5"`],
    [["--max-inline", "64M"], '--max-inline must be at most 32M, got "64M"'],
    [["--on-invalid", "explode"], '--on-invalid must be abort or skip, got "explode"'],
    ...["ok", "failed,", "failed timeout", "canceled"].map((on): [string[], string] => [
      ["--retry-on", on],
      "--retry-on must be failed, killed, timeout, not-started or output-limit, got ",
    ]),
    ...["now", "now,fail", "now,fail=0", "later,fail=1", "now,fail=1.5", "now,fail=-1", "now,fail=1e3"].map((
      halt,
    ): [string[], string] => [
      ["--halt", halt],
      `--halt must have the form WHEN,WHAT=N or WHEN,WHAT=N%, such as now,fail=1 or soon,done=10%, got "${halt}"`,
    ]),
    ...["101", "0", "0.000", "100.1", "100.00000000000000000000001", "1000", "1e1"].map((
      percent,
    ): [string[], string] => [["--halt", `soon,done=${percent}%`], "--halt must have the form WHEN,WHAT=N"]),
    [["--max-output", "9P"], '--max-output must be less than 8P, got "9P"'],
    [["--jbos", "3"], 'Unknown flag "--jbos", did you mean --jobs?'],
    [["--keep-oder"], 'Unknown flag "--keep-oder", did you mean --keep-order?'],
    [["--no-keep-oder"], 'Unknown flag "--no-keep-oder", did you mean --no-keep-order?'],
    [["-y"], 'Unknown flag "-y"\n'],
    [["--joblog"], 'Unknown flag "--joblog": -o FILE writes a result for each task\n'],
    [["--quit"], 'Unknown flag "--quit", did you mean --quiet?'],
    [["--retires", "3"], 'Unknown flag "--retires", did you mean --retries?'],
    [["-J4"], 'Unknown flag "-J", did you mean -j?'],
    [["--sort-by-name"], 'Unknown flag "--sort-by-name"\n'],
    [["--_", "x"], 'Unknown flag "--_"\n'],
    [["-_x"], 'Unknown flag "-_"\n'],
    [["-k_x"], 'Unknown flag "-_"\n'],
    [["-k-q"], 'Unknown flag "--"\n'],
    [["--no-jobs=3"], '--no-jobs takes no value, got "3"'],
    [["--dry-run=no"], '--dry-run takes no value, got "no"'],
    [["-k=no"], 'Unknown flag "-="\n'],
    [["-k5"], 'Unknown flag "-5"\n'],
    [["a.jsonl", "b.jsonl"], 'Expected one task file, got "a.jsonl" and "b.jsonl"'],
    [["run", "a.jsonl", "b.jsonl"], 'Expected one task file, got "a.jsonl" and "b.jsonl"'],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await runHere(args, { stdin: () => [TASK] });
    assertEquals([status, stdout], [255, ""], args.join(" "));
    assert(stderr.startsWith(`taskrunner: ${message}`), stderr);
    assert(stderr.endsWith("Try 'taskrunner run --help'.\n"), stderr);
  }
});

test(
  "a task with a missing directory or program has a result and does not end the run",
  async () => {
    const tasks = [{ cmd: "true", cwd: "/no/such" }, { cmd: ["/no/such/program"] }, { cmd: ["/etc/passwd"] }];
    const { status, results, stderr } = await taskrunner(["-k"], { stdin: jsonLines(tasks) });
    assertEquals([status, stderr], [3, ""]);
    assertEquals(results.map(({ status, outcome }) => [status, outcome]), [
      [126, "not-started"],
      [127, "not-started"],
      [126, "not-started"],
    ]);
  },
);

test("control characters from the input do not reach the terminal", async () => {
  const { stderr } = await taskrunner(["--on-invalid", "skip"], {
    stdin: '\x1b[2J\n{"cmd":"x","\x1b[2J":1}\n{"cmd":"\\u001b[2J\\u0000"}\n',
  });
  assertEquals(stderr.split("\n").length, 4);
  // deno-lint-ignore no-control-regex -- the test checks for control characters
  assert(!/[\x00-\x09\x0b-\x1f\x7f]/.test(stderr), JSON.stringify(stderr));
});

test("messages have the path of the file as given", async () => {
  await withTempDirectory(async (directory) => {
    await writeFile(join(directory, "t.jsonl"), "x\n");
    const { stderr } = await taskrunner(["t.jsonl"], { cwd: directory });
    assert(stderr.startsWith("taskrunner: t.jsonl:1: "), stderr);
    assertEquals(await readFile(join(directory, "t.jsonl"), "utf8"), "x\n");
  });
});
