/** Default flags: their places, their order, their errors, and the environment of tasks. */

import { chmod, mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { DENO_DIR, jsonLines, shell, startTaskrunner, taskFile, withTempDirectory } from "../support/helpers.ts";
import { runHere } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

/** Default flags for {@linkcode withDefaults}. */
interface Defaults {
  file?: string | Uint8Array;
  variable?: string;
}

/** Calls a function with the path of a flags file and a function that runs the command with default flags. */
async function withDefaults(
  { file, variable }: Defaults,
  use: (
    run: (args: readonly string[], stdin?: string) => ReturnType<typeof startTaskrunner>["ended"],
    path: string,
    directory: string,
  ) => Promise<void>,
): Promise<void> {
  await withTempDirectory(async (directory) => {
    await mkdir(join(directory, "taskrunner"));
    const path = join(directory, "taskrunner", "flags");
    if (file !== undefined) await writeFile(path, file);
    const env = { XDG_CONFIG_HOME: directory, ...variable !== undefined && { TASKRUNNER_FLAGS: variable } };
    await use((args, stdin = "") => startTaskrunner(args, { env, stdin }).ended, path, directory);
  });
}

/** A task whose result shows which value of `--retries` applies, and another whose result shows `--shell`. */
const ATTEMPTS = jsonLines([{ cmd: "exit 1" }]);
const attempts = (stdout: string) => JSON.parse(stdout.split("\n")[0]!).attempts;

test("default flags come from the file, then from TASKRUNNER_FLAGS, then from the command line", async () => {
  await withDefaults({ file: "# mine\n--retries 1\n-q # no summary\n" }, async (run) => {
    const { stdout, stderr } = await run([], ATTEMPTS);
    assertEquals([attempts(stdout), stderr], [2, ""]);
  });
  await withDefaults({ file: "-q\n--retries=1\n", variable: "--retries 2" }, async (run) => {
    assertEquals(attempts((await run([], ATTEMPTS)).stdout), 3);
    for (const args of [["--retries=3"], ["run", "--retries", "3", "-"]]) {
      const { stdout, stderr } = await run(args, ATTEMPTS);
      assertEquals([attempts(stdout), stderr], [4, ""]);
    }
    const { stdout } = await run(["each", "--format=json", "--retries=3", "test {} = b", ":::", "a"]);
    assertEquals(attempts(stdout), 4);
  });
});

test("--no-FLAG undoes a default, and --no-config ignores all defaults", async () => {
  await withDefaults({ file: "--retries=1\n", variable: "--quiet" }, async (run) => {
    assertEquals(attempts((await run(["--no-retries"], ATTEMPTS)).stdout), 1);
    assertStringIncludes((await run(["--no-quiet"], ATTEMPTS)).stderr, "1 task in");
    const { stdout, stderr } = await run(["--no-config"], ATTEMPTS);
    assertEquals(attempts(stdout), 1);
    assertStringIncludes(stderr, "1 task in");
  });
  await withDefaults({ file: "--nonsense", variable: "'" }, async (run) => {
    assertEquals((await run(["--no-config", "-q"], ATTEMPTS)).stderr, "");
  });
  await withDefaults({ variable: "--retries=2 --no-retries" }, async (run) => {
    assertEquals(attempts((await run([], ATTEMPTS)).stdout), 1);
  });
});

test("a default flag applies to the commands that have it, and to no other", async () => {
  await withDefaults({ file: "--retries=1 --port=0\n--json\n" }, async (run, _, directory) => {
    const { stdout } = await run(["-q"], ATTEMPTS);
    assertEquals(attempts(stdout), 2);
    const results = join(directory, "results.jsonl");
    await writeFile(results, stdout);
    assertEquals(JSON.parse((await run(["stats", results])).stdout).results, 1);
    assertEquals((await run(["trace", results])).stderr, "");
  });
});

test("the default format of runs does not apply to graphs", async () => {
  await withDefaults({ variable: "--format=json" }, async (run, _, directory) => {
    const tasks = join(directory, "tasks.jsonl");
    await writeFile(tasks, '{"id":"a","cmd":"true"}\n');
    const { status, stdout } = await run(["graph", tasks]);
    assertEquals([status, stdout.slice(0, 8)], [0, "digraph "]);
    assertMatch((await run(["config"])).stdout, /--format=json {2}run, each\n/);
  });
});

test("neither --help nor --version nor config needs valid defaults", async () => {
  await withDefaults({ variable: "--nonsense" }, async (run) => {
    for (const args of [["--help"], ["--version"], ["each", "--help"]]) {
      const { status, stderr } = await run(args);
      assertEquals([status, stderr], [0, ""]);
    }
  });
});

test("an error in a place of defaults names the place", async () => {
  const cases: [flags: string | Uint8Array, line: number, message: string][] = [
    ["-k\n--retries x", 2, '--retries must be an integer of at least 0, got "x"'],
    ["# a\n\n--jbos=1", 3, 'Unknown flag "--jbos", did you mean --jobs?'],
    ["-k file", 1, 'Cannot use "file" as a default: only flags can be defaults'],
    ["--", 1, 'Cannot use "--" as a default: only flags can be defaults'],
    ["-", 1, 'Cannot use "-" as a default: only flags can be defaults'],
    ["''", 1, 'Cannot use "" as a default: only flags can be defaults'],
    ["-kh", 1, "Cannot use --help as a default: it is for the command line only"],
    ["--version", 1, "Cannot use --version as a default: it is for the command line only"],
    ["--no-config", 1, "Cannot use --no-config as a default: it is for the command line only"],
    ["--jobs\n--quiet", 1, "Missing value for --jobs: -j, --jobs N"],
    ["-k\n--jobs", 2, "Missing value for --jobs: -j, --jobs N"],
    ["--quiet=yes", 1, '--quiet takes no value, got "yes"'],
    ["-k\n--shell 'sh", 2, "Cannot split the text into words: a ' is not closed"],
  ];
  for (const [flags, line, message] of cases) {
    await withDefaults({ file: flags }, async (_, path, directory) => {
      const { status, stdout, stderr } = await runHere([], {}, { XDG_CONFIG_HOME: directory });
      assertEquals([status, stdout], [255, ""]);
      assertEquals(stderr, `taskrunner: ${path}:${line}: ${message}\nTry 'taskrunner run --help'.\n`);
    });
    const { stderr } = await runHere(["each", ":"], {}, { TASKRUNNER_FLAGS: `${flags}` });
    assertEquals(stderr, `taskrunner: TASKRUNNER_FLAGS: ${message}\nTry 'taskrunner each --help'.\n`);
  }
});

test("a flags file that cannot be read is an error, and a missing one is not", async () => {
  await withDefaults({ file: new Uint8Array([0x2d, 0xff]) }, async (run, path) => {
    const { stderr } = await run([], ATTEMPTS);
    assertStringIncludes(stderr, `Cannot read default flags from ${path}: it is not valid UTF-8\n`);
  });
  await withDefaults({}, async (run, path) => {
    assertEquals((await run(["-q"])).stderr, "");
    await mkdir(path);
    assertStringIncludes((await run([])).stderr, `Cannot read default flags from ${path}: it is a directory\n`);
    await rmdir(path);
    await shell(`mkfifo "${path}"`);
    assertStringIncludes((await run([])).stderr, `Cannot read default flags from ${path}: it is a FIFO\n`);
  });
  if (process.getuid?.() === 0) return; // root reads any file
  await withDefaults({ file: "-q" }, async (run, path) => {
    await chmod(path, 0);
    assertStringIncludes((await run([])).stderr, `Cannot read default flags from ${path}: permission denied\n`);
  });
});

test("an error about a default and another flag names the place of the default", async () => {
  await withDefaults({ file: "-q\n--load 1" }, async (run, path) => {
    const { stderr } = await run(["--nats", "nats://localhost", "--queue", "q"]);
    assertStringIncludes(
      stderr,
      `Cannot use --load with --nats: --load is for tasks on this machine; --load is a default from ${path}:2, and ` +
        "--no-load undoes it\n",
    );
    const { stderr: own } = await run(["--nats", "nats://localhost", "--queue", "q", "--load", "2"]);
    assertStringIncludes(own, "--load is for tasks on this machine\n");
  });
});

test("config prints the places, their flags, and the commands of each flag", async () => {
  await withDefaults(
    { file: "-j 50% # half\n--no-progress\n--port=80", variable: "--shell '/a b'" },
    async (run, path) => {
      const { status, stdout, stderr } = await run(["config"]);
      assertEquals([status, stderr], [0, ""]);
      assertEquals(
        stdout,
        `${path}:\n  --jobs=50%     run, each, worker\n  --no-progress  run, each\n  --port=80      watch\n` +
          "TASKRUNNER_FLAGS:\n  --shell=/a b  run, each\n",
      );
    },
  );
  await withDefaults({}, async (run, path) => {
    const { stdout } = await run(["config"]);
    assertEquals(stdout, `${path} does not exist\nTASKRUNNER_FLAGS is not set\n`);
  });
  await withDefaults({ file: "-k\n--retries x", variable: "'" }, async (run, path) => {
    const { status, stdout, stderr } = await run(["config"]);
    assertEquals(status, 255);
    assertEquals(
      stdout,
      `${path} has an error\n  --keep-order  run, each\n  --retries=x   run, each\n` +
        "TASKRUNNER_FLAGS has an error\n",
    );
    assertEquals(stderr.split("\n").map((line) => line.split(": ").slice(0, 3).join(": ")), [
      `taskrunner: ${path}:2: --retries must be an integer of at least 0, got "x"`,
      "taskrunner: TASKRUNNER_FLAGS: Cannot split the text into words",
      "",
    ]);
  });
  await withDefaults({ file: "# nothing", variable: "" }, async (run, path) => {
    const { stdout } = await run(["config"]);
    assertEquals(stdout, `${path} has no flags\nTASKRUNNER_FLAGS has no flags\n`);
  });
});

test("the flags file is in ~/.config without a valid XDG_CONFIG_HOME", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, ".config", "taskrunner", "flags");
    for (const XDG_CONFIG_HOME of ["", "relative"]) {
      const env = { HOME: directory, XDG_CONFIG_HOME, DENO_DIR };
      const { stdout } = await startTaskrunner(["config"], { stdin: "", env }).ended;
      assertStringIncludes(stdout, `${path} does not exist\n`);
    }
  });
});

test("the variables of a run do not reach the runs that its tasks start", async () => {
  await withTempDirectory(async (directory) => {
    const show = "echo $TASKRUNNER_ID $TASKRUNNER_SLOT $TASKRUNNER_ATTEMPT ${TASKRUNNER_FLAGS-unset}";
    const inner = await taskFile(directory, [{ id: "inner", cmd: show }], "inner.jsonl");
    // The outer task is in slot 2, in attempt 2: the task of slot 1 waits for it, and its first attempt fails.
    const outer = await taskFile(directory, [
      { id: "first", cmd: `until test -e ${directory}/end; do sleep 0.01; done` },
      {
        id: "outer",
        cmd: `test $TASKRUNNER_ATTEMPT = 2 || exit 1; ${show} >&2; $RUNTIME cli.ts ${inner}; touch ${directory}/end`,
      },
    ]);
    for (const executor of ["shell", "process"]) {
      const { stdout } = await shell(
        `rm -f ${directory}/end; $RUNTIME cli.ts --executor ${executor} ${outer}`,
        { env: { TASKRUNNER_FLAGS: "-q -j2 --retries=1", XDG_CONFIG_HOME: directory } },
      );
      const result = stdout.split("\n").map((line) => line && JSON.parse(line)).find(({ id }) => id === "outer");
      assertEquals([result.stderr.split("\n")[0], result.slot, result.attempts], ["outer 2 2 unset", 2, 2]);
      const nested = JSON.parse(result.stdout);
      assertEquals([nested.id, nested.stdout, nested.slot, nested.attempts], ["inner", "inner 1 1 unset\n", 1, 1]);
      assert(result.stderr.includes("1 task in"), "the nested run took --quiet of the outer run");
    }
  });
});
