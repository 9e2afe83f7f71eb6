/** Tests the executable that `deno task release` compiles. The tests start it, so they run on one runtime. */

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { compileExecutable, hostTarget } from "../../dev/release/executables.ts";
import { output } from "../../dev/release/programs.ts";
import { SCRIPT, STYLE } from "../../report/page.generated.ts";
import { buildExecutable } from "../support/executable.ts";
import {
  isAlive,
  jsonLines,
  parseResults,
  PROJECT,
  RUNTIME,
  start,
  type Started,
  type StartOptions,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { withNatsServer } from "../support/nats_helpers.ts";
import { withOtlpReceiver } from "../support/otlp_receiver.ts";
import { test } from "../support/test.ts";

// The executable contains its runtime. Bun is the one that compiles it.
if (RUNTIME === "bun") {
  let built: Promise<string> | undefined;
  const executable = () => built ??= buildExecutable();

  const startExecutable = async (args: readonly string[], options: StartOptions = {}): Promise<Started> => {
    const env = { XDG_CONFIG_HOME: "/dev/null", PATH: "/usr/bin:/bin", ...options.env };
    return start(await executable(), args, { stdin: "", ...options, env });
  };
  const run = async (args: readonly string[], options: StartOptions = {}) => {
    return await (await startExecutable(args, options)).ended;
  };

  test("the executable runs tasks, and values of each", async () => {
    const tasks = jsonLines([{ cmd: "echo hi" }, { cmd: ["sh", "-c", "exit 3"] }, { cmd: "cat", stdin: "in" }]);
    const { status, stdout } = await run(["-q", "-k"], { stdin: tasks });
    const results = parseResults(stdout).map(({ status, stdout }) => [status, stdout]);
    assertEquals([status, results], [1, [[0, "hi\n"], [3, ""], [0, "in"]]]);
    const each = await run(["each", "-q", "-k", "echo {1}-{2}", ":::", "a b", "'", ":::", "1", "2"]);
    assertEquals([each.status, each.stdout, each.stderr], [0, "a b-1\na b-2\n'-1\n'-2\n", ""]);
  });

  test("the executable passes on arguments that are not UTF-8", async () => {
    const script = `exec "$0" each -q -- printf '%s' ::: "$(printf 'caf\\351')"`;
    const { status, stdout } = await start("sh", ["-c", `(${script}) | od -An -c`, await executable()], { stdin: "" })
      .ended;
    assertEquals([status, stdout.trim().split(/ +/)], [0, ["c", "a", "f", "351"]]);
  });

  test("the executable prints its version, help, completions and manual page", async () => {
    const first = async (...args: string[]) => {
      const { status, stdout } = await run(args);
      assertEquals(status, 0, args.join(" "));
      return stdout;
    };
    assertEquals(await first("--version"), "taskrunner 0.1.0\n");
    assertStringIncludes(await first("help"), "Run tasks from a file or standard input");
    for (const shell of ["bash", "zsh", "fish"]) assertStringIncludes(await first("completions", shell), "--resume");
    assertMatch(await first("man"), /^\.TH TASKRUNNER 1 /im);
  });

  test("the executable resumes a run, and makes reports", async () => {
    await withTempDirectory(async (directory) => {
      const tasks = (count: number) =>
        jsonLines(Array.from({ length: count }, (_, index) => ({ id: `t${index}`, cmd: "echo" })));
      const args = ["-q", "-o", "results.jsonl", "--resume"];
      assertEquals((await run(args, { stdin: tasks(2), cwd: directory })).status, 0);
      assertEquals((await run(args, { stdin: tasks(5), cwd: directory })).status, 0);
      const results = parseResults(await readFile(join(directory, "results.jsonl"), "utf8"));
      assertEquals(results.map(({ id }) => id).sort(), ["t0", "t1", "t2", "t3", "t4"]);
      for (const command of ["report", "trace"]) {
        const made = await run([command, "results.jsonl", "-o", command], { cwd: directory });
        assertEquals(made.status, 0, made.stderr);
      }
      const page = await readFile(join(directory, "report"), "utf8");
      assert(page.includes(SCRIPT) && page.includes(STYLE));
      assertEquals(JSON.parse(await readFile(join(directory, "trace"), "utf8")).traceEvents.length > 5, true);
      assertMatch((await run(["stats", "results.jsonl"], { cwd: directory })).stdout, /^outcomes +5 ok \(100 %\)$/m);
      assertEquals((await run(["failed", "results.jsonl"], { cwd: directory })).stdout, "");
    });
  });

  test("the executable serves a live report", async () => {
    await withTempDirectory(async (directory) => {
      const go = join(directory, "go");
      const started = await startExecutable([
        "each",
        "--watch",
        "0",
        `until [ -e '${go}' ]; do sleep 0.05; done; : {}`,
        ":::",
        "1",
      ]);
      const address = () => /http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/(?=\n)/.exec(started.output.stderr)?.[0];
      await waitFor("the address of the page", address);
      const page = await new Promise<string>((resolve, reject) => {
        get(address()!, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => text += chunk).on("end", () => resolve(text));
        }).on("error", reject);
      });
      assert(page.includes(SCRIPT));
      await writeFile(go, "");
      assertEquals((await started.ended).status, 0);
    });
  });

  test("the executable runs tasks over NATS, as submitter and as worker", async () => {
    await withNatsServer(async ({ url }) => {
      const worker = await startExecutable(["worker", "--nats", url, "--queue", "q"]);
      await waitFor("the worker", () => worker.output.stderr.includes("at once from q"));
      const { status, stdout, stderr } = await run(["-q", "--nats", url, "--queue", "q"], {
        stdin: jsonLines([{ id: "far", cmd: "echo far" }]),
      });
      assertEquals(
        [status, parseResults(stdout).map(({ id, stdout }) => [id, stdout])],
        [0, [["far", "far\n"]]],
        stderr,
      );
      const runs = await run(["runs", "ls", "--nats", url]);
      assertEquals(runs.status, 0, runs.stderr);
      process.kill(worker.child.pid!, "SIGTERM");
      assertEquals((await worker.ended).status, 0);
    });
  });

  test("the executable sends traces and metrics to OpenTelemetry", async () => {
    for (const protocol of ["http/json", "http/protobuf"]) {
      await withOtlpReceiver(async (receiver) => {
        const env = { ...receiver.env, OTEL_EXPORTER_OTLP_PROTOCOL: protocol };
        const { status, stderr } = await run(["each", "-q", "echo {}", ":::", "a"], { env });
        assertEquals([status, stderr], [0, ""]);
        const paths = new Set(receiver.requests.map(({ path }) => path));
        assertEquals([...paths].sort(), ["/v1/metrics", "/v1/traces"]);
      });
    }
  });

  test("the executable ends its tasks when it is killed", async () => {
    await withTempDirectory(async (directory) => {
      const file = join(directory, "pid");
      const started = await startExecutable([
        "each",
        `echo $$ > '${file}.new'; mv '${file}.new' '${file}'; sleep 600; :`,
        ":::",
        "1",
      ]);
      await waitFor("the task", () => existsSync(file));
      const pid = Number(await readFile(file, "utf8"));
      process.kill(started.child.pid!, "SIGKILL");
      await started.ended;
      await waitFor("the end of the task", () => !isAlive(pid));
    });
  });

  test("the executable runs nothing from the directory in which it starts", async () => {
    await withTempDirectory(async (directory) => {
      await writeFile(join(directory, ".env"), "FROM_FILE=yes\n");
      await writeFile(join(directory, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
      await writeFile(join(directory, "preload.ts"), 'console.log("preloaded");\n');
      await writeFile(join(directory, "package.json"), "{");
      await writeFile(join(directory, "tsconfig.json"), "{");
      const { status, stdout, stderr } = await run(["-q", "--format", "text"], {
        stdin: jsonLines([{ cmd: "echo ${FROM_FILE-none}" }]),
        cwd: directory,
      });
      assertEquals([status, stdout, stderr], [0, "none\n", ""]);
    });
  });

  test("the executable names neither the directory of its sources nor the name of the package here", async () => {
    const bytes = await readFile(await executable());
    for (const text of [PROJECT, "@x/taskrunner"]) {
      for (const encoding of ["utf8", "utf16le"] as const) {
        assertEquals([text, bytes.includes(text, 0, encoding)], [text, false]);
      }
    }
  });

  test("a stack trace of an executable names functions and lines of the sources", async () => {
    await withTempDirectory(async (directory) => {
      const modules = {
        "executable.ts":
          'import { outer } from "./inner.ts";\n\ntry {\n  outer(1);\n} catch (error) {\n  console.log(error.stack);\n}\n',
        "inner.ts":
          "interface Unused {}\n\nfunction inner(value: number): never {\n  throw new Error(`${value}`);\n}\n\n" +
          "export function outer(value: number): void {\n  inner(value);\n}\n",
      };
      for (const [name, text] of Object.entries(modules)) await writeFile(join(directory, name), text);
      const program = await compileExecutable({ directory, packages: new Set() }, hostTarget(), join(directory, "out"));
      const { stdout } = await start(program, [], { stdin: "" }).ended;
      const frames = [...stdout.matchAll(/at (\w+ )?\(?([\w.]+:\d+)/g)].map(([, name = "", place]) => name + place);
      assertEquals(frames, ["inner inner.ts:4", "outer inner.ts:8", "executable.ts:4"]);
    });
  });

  const COMPILED_PROGRAM = `import { TaskRunner } from ${JSON.stringify(join(PROJECT, "mod.ts"))};
const run = async (options) => {
  const runner = new TaskRunner(options);
  for (let i = 1; i <= 20; i++) runner.add("t" + i, "echo " + i);
  let sum = 0;
  await runner.runAndWait((result) => sum += Number(result.stdout));
  return sum;
};
const options = JSON.parse(process.argv[2]);
console.log(await run(options), await run(options));
`;

  test("a compiled or bundled program runs the pool of a TaskRunner in its process, and reports that once", async () => {
    await withTempDirectory(async (directory) => {
      await writeFile(join(directory, "program.ts"), COMPILED_PROGRAM);
      const build = (...flags: string[]) => output("bun", ["build", ...flags, "program.ts"], { cwd: directory });
      await build("--compile", "--outfile=compiled");
      await build("--target=bun", "--outfile=bundled.js");
      const commands = { compiled: [join(directory, "compiled")], bundled: [process.execPath, "bundled.js"] };
      for (const [kind, [program, ...args]] of Object.entries(commands)) {
        const runWith = (options: object) => {
          return start(program!, [...args, JSON.stringify(options)], { stdin: "", cwd: directory, mayCrash: true })
            .ended;
        };
        const byDefault = await runWith({ concurrency: 4 });
        assertEquals([byDefault.status, byDefault.stdout], [0, "210 210\n"], byDefault.stderr);
        const notice = `^taskrunner: TaskRunner runs its tasks in this process: this program is ${kind}, .*\n$`;
        assertMatch(byDefault.stderr, new RegExp(notice));
        const { status, stdout, stderr } = await runWith({ isolate: false });
        assertEquals([status, stdout, stderr], [0, "210 210\n", ""]);
        const isolated = await runWith({ isolate: true });
        assertEquals(isolated.stdout, "");
        assertStringIncludes(isolated.stderr, `Cannot start a process for the tasks: this program is ${kind}`);
      }
    });
  });
}
