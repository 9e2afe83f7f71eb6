import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import {
  DENO_DIR,
  jsonLines,
  parseResults,
  PROJECT,
  RUNTIME,
  start,
  type StartOptions,
  taskFile,
  withTempDirectory,
} from "../support/helpers.ts";
import { withNatsServer } from "../support/nats_helpers.ts";
import { Worker } from "../../nats/mod.ts";
import { test } from "../support/test.ts";

/** Runs the command on Deno with exactly these permissions. */
function withPermissions(permissions: string[], args: string[], options: StartOptions = {}) {
  const run = ["run", "--no-prompt", ...permissions, join(PROJECT, "cli.ts"), "--quiet", ...args];
  return start(process.execPath, run, { stdin: "", ...options }).ended;
}

const tasks = [{ cmd: "echo hi" }, { cmd: ["echo", "ho"], cwd: "/", env: { A: "1" } }, {
  cmd: "sleep 300",
  timeoutMs: 300,
}];
const outcomes = ["ok", "ok", "timeout"];

if (RUNTIME === "deno") {
  test("on Deno, --allow-run is enough to run and end tasks", async () => {
    const { stdout, stderr } = await withPermissions(["--allow-run"], ["-k"], { stdin: jsonLines(tasks) });
    assertEquals([parseResults(stdout).map(({ outcome }) => outcome), stderr], [outcomes, ""]);
  });

  test("on Deno, --nats needs the network, the environment and the host name", async () => {
    await withNatsServer(async ({ url }) => {
      const worker = new Worker({ nats: { servers: url }, queues: ["q"], concurrency: 3 });
      const working = worker.run();
      const permissions = [`--allow-net=${new URL(url).host}`, "--allow-env", "--allow-sys=hostname"];
      const args = ["-k", "--nats", url, "--queue", "q"];
      const { stdout, stderr } = await withPermissions(permissions, args, { stdin: jsonLines(tasks) });
      assertEquals([parseResults(stdout).map(({ outcome }) => outcome), stderr], [outcomes, ""]);
      worker.drain();
      await working;
    });
  });

  test("on Deno, no prompt asks for an optional permission", async () => {
    await withTempDirectory(async (directory) => {
      const input = await taskFile(directory, tasks);
      const command = `${process.execPath} run --allow-run --allow-read=${input} cli.ts -q -k --no-progress ${input}`;
      const { stdout } = await start("script", ["-qec", command, "/dev/null"], { stdin: "" }).ended;
      assertEquals(parseResults(stdout.replaceAll("\r\n", "\n")).map(({ outcome }) => outcome), outcomes);
      assert(!stdout.includes("requests"), stdout);
    });
  });

  test("on Deno, the task file and the results file need one permission each", async () => {
    await withTempDirectory(async (directory) => {
      const input = await taskFile(directory, tasks);
      const output = join(directory, "results.jsonl");
      const permissions = ["--allow-run", `--allow-read=${input}`, `--allow-write=${output}`];
      const { stderr } = await withPermissions(permissions, ["-k", input, "-o", output]);
      assertEquals([parseResults(await readFile(output, "utf8")).map(({ outcome }) => outcome), stderr], [
        outcomes,
        "",
      ]);
    });
  });

  test("on Deno, large output needs permissions for its directory", async () => {
    await withTempDirectory(async (directory) => {
      const permissions = ["--allow-run", `--allow-read=${directory}`, `--allow-write=${directory}`];
      const stdin = jsonLines([{ cmd: "printf 12345" }]);
      const { stdout, stderr } = await withPermissions(permissions, ["--max-inline", "2", "--spill-dir", directory], {
        stdin,
      });
      assertEquals(stderr, "");
      assertEquals(await readFile(parseResults(stdout)[0]!.stdoutFile!, "utf8"), "12345");
    });
  });

  test("on Deno, defaults need permissions for their variables and their file", async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, ".config", "taskrunner", "flags");
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, "--retries=1");
      const permissions = ["--allow-run", "--allow-env=TASKRUNNER_FLAGS,XDG_CONFIG_HOME,HOME", `--allow-read=${path}`];
      const env = { HOME: directory, XDG_CONFIG_HOME: "", TASKRUNNER_FLAGS: "--retry-delay=0", DENO_DIR };
      const options = { env, stdin: jsonLines([{ cmd: "echo ${TASKRUNNER_FLAGS-unset}; exit 1" }]) };
      const [result] = parseResults((await withPermissions(permissions, [], options)).stdout);
      assertEquals([result!.attempts, result!.stdout], [2, "unset\n"]);
      const { stdout, stderr } = await withPermissions(["--allow-run"], [], options);
      assertEquals([parseResults(stdout)[0]!.attempts, stderr], [1, ""]);
    });
  });

  test("on Deno, --allow-run=sh and a temporary directory are enough for all tasks", async () => {
    const permissions = ["--allow-run=sh", "--allow-read=/tmp", "--allow-write=/tmp"];
    const { stdout, stderr } = await withPermissions(permissions, ["-k"], { stdin: jsonLines(tasks) });
    const results = parseResults(stdout);
    assertEquals([results.map(({ outcome }) => outcome), stderr], [outcomes, ""]);
    assert(results[0]!.userMs !== undefined, "the task did not run in a worker");
  });

  test("on Deno, --allow-run=PROGRAM without a temporary directory runs only that program", async () => {
    const { stdout } = await withPermissions(["--allow-run=sh"], ["-k"], {
      stdin: jsonLines([{ cmd: "echo hi" }, { cmd: ["ls"] }]),
    });
    assertEquals(parseResults(stdout).map(({ outcome, status }) => [outcome, status]), [["ok", 0], [
      "not-started",
      126,
    ]]);
  });
}
