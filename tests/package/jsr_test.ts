/** Tests the package on a registry of JSR: publishes the package, and uses it with an own cache of Deno. */

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after } from "node:test";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { type JsrRegistry, startJsrRegistry } from "../support/jsr_registry.ts";
import {
  type Ended,
  jsonLines,
  parseResults,
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
import { VERSION } from "../../text/version.ts";

/** Limits for the modules that `import { run }` reaches. The command and the report would add a megabyte. */
const LIBRARY = { modules: 177, bytes: 840_000 };

const TASK = jsonLines([{ cmd: "echo hi" }]);

const PROGRAM = `import { run, TaskRunner } from "@x/taskrunner";
const runner = new TaskRunner(4);
for (let i = 1; i <= 20; i++) runner.add("t" + i, "echo " + i);
let sum = 0;
await runner.runAndWait((result) => sum += Number(result.stdout));
for await (const { stdout } of run([{ cmd: "echo 1000" }])) sum += Number(stdout);
console.log(sum);
`;

/** Its executor is created in the separate process, from the URL of its module. */
const NATS_PROGRAM = `import { TaskRunner } from "jsr:@x/taskrunner";
import { natsExecutor } from "jsr:@x/taskrunner/nats";
const servers = Deno.env.get("NATS_URL")!;
const runner = new TaskRunner({ executor: natsExecutor({ servers, queue: "q" }) });
runner.add("a", "echo hi");
await runner.runAndWait(({ stdout, worker }) => console.log(stdout.trim(), worker?.pid));
`;

interface Graph {
  modules: { kind: string; specifier: string; size?: number }[];
  npmPackages: Record<string, unknown>;
}

/** A user of Deno. */
interface User {
  registry: JsrRegistry;
  /** An empty directory. */
  directory: string;
  /** The variables of the environment that lead to the registry and to the cache. */
  env: Record<string, string>;
  startDeno(args: readonly string[], options?: StartOptions): Started;
  /** Runs Deno, and asserts that it succeeds. */
  deno(args: readonly string[], options?: StartOptions): Promise<Ended>;
  /** Lists the packages from npm in the cache. */
  npmPackages(): Promise<string[]>;
}

if (RUNTIME === "deno") {
  let publishing: Promise<JsrRegistry> | undefined;
  /** The cache of the tests that do not need an empty one. */
  let sharedCache: string | undefined;
  after(async () => {
    (await publishing)?.close();
    if (sharedCache) await rm(sharedCache, { recursive: true, force: true });
  });

  /** Publishes the package once for all tests. */
  const publish = () => publishing ??= publishPackage();

  /** Publishes the package without the checks of its types, which are a part of `deno task check`. */
  const publishPackage = async () => {
    const registry = await startJsrRegistry();
    const unchecked = ["--no-check", "--allow-slow-types", "--allow-dirty", "--quiet"];
    const { status, stderr } = await start(process.execPath, ["publish", "--token", "any", ...unchecked], {
      stdin: "",
      env: { JSR_URL: registry.url },
    }).ended;
    assertEquals([status, [...registry.packages.keys()]], [0, ["@x/taskrunner"]], stderr);
    return registry;
  };

  const withUser = async (use: (user: User) => Promise<void>, { hasEmptyCache = false } = {}) => {
    const registry = await publish();
    await withTempDirectory(async (directory) => {
      const cache = hasEmptyCache
        ? join(directory, "cache")
        : sharedCache ??= await mkdtemp(join(tmpdir(), "taskrunner-test-"));
      const env = { JSR_URL: registry.url, DENO_DIR: cache, XDG_CONFIG_HOME: "/dev/null" };
      const user: User = {
        registry,
        directory,
        env,
        startDeno: (args, options) => {
          return start(process.execPath, args, { cwd: directory, ...options, env: { ...env, ...options?.env } });
        },
        deno: async (args, options) => {
          const ended = await user.startDeno(args, { stdin: "", ...options }).ended;
          assertEquals([ended.status, args], [0, args], ended.stderr);
          return ended;
        },
        npmPackages: async () => {
          const paths = await readdir(join(cache, "npm"), { recursive: true }).catch(() => []);
          return paths.filter((path) => path.endsWith("/package.json")).map((path) => path.split("/").at(-3)!).sort();
        },
      };
      registry.downloads.length = 0;
      await use(user);
    });
  };

  test("the package on JSR has the modules of its exports, which import nothing but valibot", async () => {
    const { version, exports, files } = (await publish()).packages.get("@x/taskrunner")!;
    assertEquals(version, VERSION);
    assertEquals(Object.values(exports).filter((path) => !files.has(path.slice(1))), []);
    assertEquals(packageImports(files), ["npm:valibot@^1.5.0"]);
    const isExpected = (path: string) => /\.(?:ts|json)$|^\/(?:README\.md|LICENSE)$/.test(path);
    const paths = [...files.keys()];
    assertEquals(paths.filter((path) => !isExpected(path) || /^\/(?:tests|dev|docs)\//.test(path)), []);
  });

  test("deno run jsr:@x/taskrunner is the command", async () => {
    await withUser(async ({ deno }) => {
      const command = ["run", "--quiet", "--no-prompt", "--allow-run"];
      for (const specifier of ["jsr:@x/taskrunner", "jsr:@x/taskrunner/cli", `jsr:@x/taskrunner@${VERSION}`]) {
        const { stdout, stderr } = await deno([...command, specifier, "-q"], { stdin: TASK });
        assertEquals([parseResults(stdout).map(({ stdout }) => stdout), stderr], [["hi\n"], ""]);
      }
    });
  });

  test("a program that imports run downloads no module of the command", async () => {
    await withUser(async ({ registry, directory, deno, npmPackages }) => {
      const program = `import { run } from "jsr:@x/taskrunner";
        for await (const { stdout } of run([{ cmd: "echo hi" }])) console.log(stdout.trim());`;
      await writeFile(join(directory, "program.ts"), program);
      assertEquals((await deno(["run", "--quiet", "--allow-run", "program.ts"])).stdout, "hi\n");
      const unneeded = registry.downloads.filter((path) => /\/(?:cli|nats|telemetry|report)[./]/.test(path));
      assertEquals([unneeded, await npmPackages()], [[], ["valibot"]]);
      const graph: Graph = JSON.parse((await deno(["info", "--json", "program.ts"])).stdout);
      const modules = graph.modules.filter(({ specifier }) => specifier.startsWith(registry.url));
      const bytes = modules.reduce((sum, { size = 0 }) => sum + size, 0);
      const figures = `${modules.length} modules, ${bytes} bytes`;
      assert(modules.length <= LIBRARY.modules && bytes <= LIBRARY.bytes, figures);
      assertEquals(Object.keys(graph.npmPackages).map((name) => name.replace(/@[\d.]+$/, "")), ["valibot"]);
    }, { hasEmptyCache: true });
  });

  test("deno check of programs for NATS and telemetry downloads no packages of them", async () => {
    await withUser(async ({ directory, deno, npmPackages }) => {
      const program = `import { run, type TaskResult } from "jsr:@x/taskrunner";
        import { runCommandLine } from "jsr:@x/taskrunner/cli";
        import { natsExecutor, Worker } from "jsr:@x/taskrunner/nats";
        const executor = natsExecutor({ servers: "127.0.0.1", queue: "q" });
        export const results: AsyncIterable<TaskResult> = run([{ cmd: "true" }], { executor });
        export const parts: unknown[] = [runCommandLine, Worker];`;
      await writeFile(join(directory, "program.ts"), program);
      await deno(["check", "--quiet", "program.ts"]);
      assertEquals(await npmPackages(), ["valibot"]);
    }, { hasEmptyCache: true });
  });

  test("deno add makes the library available, and TaskRunner works with narrow permissions", async () => {
    await withUser(async ({ directory, deno }) => {
      await deno(["add", "--quiet", "jsr:@x/taskrunner"]);
      const { imports } = JSON.parse(await readFile(join(directory, "deno.json"), "utf8"));
      assertEquals(imports, { "@x/taskrunner": `jsr:@x/taskrunner@^${VERSION}` });
      await writeFile(join(directory, "program.ts"), PROGRAM);
      const permissions = [`--allow-run=sh,${process.execPath}`, "--allow-read=/tmp", "--allow-write=/tmp"];
      // All modules are in the cache, those of the separate process too.
      const { stdout, stderr } = await deno(["run", "--no-prompt", "--cached-only", ...permissions, "program.ts"]);
      assertEquals([stdout, stderr], ["1210\n", ""]);
    });
  });

  test("deno install -g makes the command available", async () => {
    await withUser(async ({ directory, env, deno }) => {
      const root = join(directory, "root");
      await deno(["install", "--quiet", "-gA", "--root", root, "-n", "taskrunner", "jsr:@x/taskrunner/cli"]);
      const script = await readFile(join(root, "bin/taskrunner"), "utf8");
      assert(script.includes("'jsr:@x/taskrunner/cli'"), script);
      const path = `${dirname(process.execPath)}:${process.env.PATH}`;
      const { status, stdout } = await start(join(root, "bin/taskrunner"), ["-q"], {
        stdin: TASK,
        env: { ...env, PATH: path },
      }).ended;
      assertEquals([status, parseResults(stdout).map(({ stdout }) => stdout)], [0, ["hi\n"]]);
    });
  });

  test("a worker for NATS from JSR runs the tasks of a run from JSR", async () => {
    await withUser(async ({ directory, startDeno, deno }) => {
      await withNatsServer(async ({ url }) => {
        const env = { NATS_URL: url };
        const command = ["run", "--quiet", "-A", "jsr:@x/taskrunner"];
        const worker = startDeno([...command, "worker", "--queue", "q", "-j", "2"], { stdin: "", env });
        await waitFor("the worker", () => worker.output.stderr.includes("at once from q"));
        const { stdout } = await deno([...command, "-q", "--nats", url, "--queue", "q"], { stdin: TASK });
        const [result] = parseResults(stdout);
        assertEquals([result?.stdout, result?.worker?.pid], ["hi\n", worker.child.pid]);
        await writeFile(join(directory, "program.ts"), NATS_PROGRAM);
        const program = await deno(["run", "--quiet", "-A", "program.ts"], { env });
        assertEquals([program.stdout, program.stderr], [`hi ${worker.child.pid}\n`, ""]);
        process.kill(worker.child.pid!, "SIGTERM");
        assertEquals((await worker.ended).status, 0);
      });
    });
  });

  test("the command from JSR loads the packages for telemetry", async () => {
    await withUser(async ({ deno }) => {
      await withOtlpReceiver(async (receiver) => {
        const command = ["run", "--quiet", "-A", "jsr:@x/taskrunner", "-q"];
        const { stderr } = await deno(command, { stdin: TASK, env: receiver.env });
        assertEquals([stderr, receiver.trace.attempts.length], ["", 1]);
      });
    });
  });
}

/** Returns the packages that the modules of a package import, as the registry rewrites their specifiers. */
function packageImports(files: ReadonlyMap<string, Uint8Array>): string[] {
  const imports = new Set<string>();
  for (const [path, bytes] of files) {
    if (!path.endsWith(".ts")) continue;
    const code = new TextDecoder().decode(bytes).replace(/^ *(?:\/?\*|\/\/).*$/gm, "");
    for (const [, specifier] of code.matchAll(/(?:\bfrom |\bimport[ (])"([^."][^"]*)"/g)) {
      if (!specifier!.startsWith("node:")) imports.add(specifier!);
    }
  }
  return [...imports].sort();
}
