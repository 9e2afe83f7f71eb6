/** Tests the package for npm as package managers install it, from a registry on this machine. */

import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { type Ended, parseResults, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { pathOf } from "../support/programs.ts";
import { test } from "../support/test.ts";

const PROGRAM = `
async function main({ run, TaskRunner }) {
  const runner = new TaskRunner(4);
  for (let i = 1; i <= 20; i++) runner.add("t" + i, "echo " + i);
  let sum = 0;
  await runner.runAndWait((result) => sum += Number(result.stdout));
  for await (const { stdout } of run([{ cmd: "echo 1000" }])) sum += Number(stdout);
  console.log(sum);
}
`;

/** A project with its own home directory, caches and programs. */
class Project {
  readonly directory: string;
  readonly home: string;
  readonly #bin: string;
  readonly #registry: string;

  /** Makes a project in which only the given programs, `sh` and `env` are in `PATH`. */
  static async create(parent: string, registry: string, programs: Readonly<Record<string, string>>): Promise<Project> {
    const project = new Project(parent, registry);
    for (const path of [project.directory, project.home, project.#bin]) await mkdir(path);
    const all = { sh: "/bin/sh", env: "/usr/bin/env", ...programs };
    for (const [name, path] of Object.entries(all)) await symlink(path, join(project.#bin, name));
    await writeFile(join(project.directory, "package.json"), "{}");
    await writeFile(join(project.directory, "program.cjs"), `${PROGRAM}main(require("@x/taskrunner"));`);
    await writeFile(
      join(project.directory, "program.mjs"),
      `import * as taskrunner from "@x/taskrunner";${PROGRAM}await main(taskrunner);`,
    );
    return project;
  }

  private constructor(parent: string, registry: string) {
    [this.directory, this.home, this.#bin] = ["project", "home", "bin"].map((name) => join(parent, name)) as [
      string,
      string,
      string,
    ];
    this.#registry = registry;
  }

  /** Runs a program with no other environment than that of the project. */
  async run(command: readonly string[], stdin = "", variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const environment = {
      PATH: this.#bin,
      HOME: this.home,
      NO_COLOR: "1",
      NPM_CONFIG_REGISTRY: this.#registry,
      NPM_CONFIG_AUDIT: "false",
      NPM_CONFIG_FUND: "false",
      NPM_CONFIG_UPDATE_NOTIFIER: "false",
      ...variables,
    };
    const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return await start("/usr/bin/env", ["-i", ...words, ...command], { stdin, cwd: this.directory }).ended;
  }

  /** Runs a program that must succeed, and returns its standard output. */
  async succeed(...command: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(command);
    assertEquals(status, 0, `${command.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Checks that a command line is that of taskrunner. */
  async assertIsTaskrunner(...command: string[]): Promise<void> {
    const { status, stdout, stderr } = await this.run([...command, "-q"], '{"cmd":"echo hi"}\n{"cmd":"exit 3"}\n');
    const results = parseResults(stdout).map(({ id, status, stdout }) => [id, status, stdout]).sort();
    assertEquals([status, results], [1, [["1", 0, "hi\n"], ["2", 3, ""]]], `${command.join(" ")}: ${stderr}`);
  }
}

if (RUNTIME === "node") {
  const { npmPackage } = await import("../support/npm_package.ts");
  const { NpmRegistry } = await import("../support/npm_registry.ts");

  /** Calls a function with a project and with the names of the packages that it has downloaded. */
  const withProject = async (
    programs: Readonly<Record<string, string | undefined>>,
    use: (project: Project, downloads: readonly string[]) => Promise<void>,
  ) => {
    const served = await npmPackage();
    await withTempDirectory((directory) =>
      NpmRegistry.with([served], async ({ url, downloads }) => {
        const missing = Object.keys(programs).filter((name) => programs[name] === undefined);
        assertEquals(missing, [], "programs of the set-up in CONTRIBUTING.md are missing");
        await use(await Project.create(directory, url, programs as Record<string, string>), downloads);
      })
    );
  };

  const NODE = { node: process.execPath, npm: pathOf("npm"), npx: pathOf("npx") };
  const BUN = { bun: pathOf("bun"), bunx: pathOf("bun") };
  const DENO = { deno: pathOf("deno") };

  test("npm installs one package, for import, for require() and for the command", async () => {
    await withProject(NODE, async (project, downloads) => {
      await project.succeed("npm", "install", "@x/taskrunner");
      assertEquals(downloads, ["@x/taskrunner"]);
      assertEquals(await readdir(join(project.directory, "node_modules")), [".bin", ".package-lock.json", "@x"]);
      for (const file of ["program.mjs", "program.cjs"]) assertEquals(await project.succeed("node", file), "1210\n");
      await project.assertIsTaskrunner("npx", "@x/taskrunner");
      await project.assertIsTaskrunner("node_modules/.bin/taskrunner");
      // The link of a link, as version managers make them.
      await symlink(join(project.directory, "node_modules/.bin/taskrunner"), join(project.directory, "taskrunner"));
      await project.assertIsTaskrunner("./taskrunner");
    });
  });

  test("the commands of the npm package run, with the modules that each loads on demand", async () => {
    const { directory } = await npmPackage();
    await withTempDirectory(async (cwd) => {
      const tasks = '{"id":"a","cmd":"echo hi"}\n{"id":"b","cmd":"exit 3"}\n';
      const command = (...args: string[]) =>
        start(join(directory, "bin/taskrunner.js"), args, { stdin: tasks, cwd })
          .ended;
      const lines: [args: string[], status: number, stdout: RegExp][] = [
        [["-q", "-o", "r.jsonl", "--resume"], 1, /^$/],
        [["-q", "-o", "r.jsonl", "--resume-failed", "--watch", "0"], 1, /^$/],
        [["each", "-k", "echo {}", ":::", "a b", "c"], 0, /^a b\nc\n$/],
        [["failed", "r.jsonl"], 0, /"b" failed/],
        [["stats", "r.jsonl"], 0, /3/],
        [["trace", "r.jsonl", "-o", "trace.json"], 0, /^/],
        [["report", "r.jsonl", "-o", "report.html"], 0, /^/],
        [["runs", "--nats", "127.0.0.1:9"], 255, /^$/],
        [["completions", "bash"], 0, /complete/],
        [["completions", "zsh"], 0, /compdef/],
        [["completions", "fish"], 0, /complete/],
        [["man"], 0, /^\.TH/m],
        [["config"], 0, /^/],
        [["help", "run"], 0, /--resume/],
      ];
      for (const [args, status, stdout] of lines) {
        const ended = await command(...args);
        assertEquals(ended.status, status, `${args.join(" ")}: ${ended.stderr}`);
        assertMatch(ended.stdout, stdout, args.join(" "));
        assert(!/ERR_|at .*\.js:\d/.test(ended.stderr), ended.stderr);
      }
      assertMatch(await readFile(join(cwd, "report.html"), "utf8"), /echarts 6/);
    });
  });

  test("messages of the npm package name its peers when they are not installed", async () => {
    await withProject(NODE, async (project) => {
      await project.succeed("npm", "install", "@x/taskrunner");
      const manifest = await readFile(join(project.directory, "node_modules/@x/taskrunner/package.json"), "utf8");
      const { peerDependencies } = JSON.parse(manifest);
      const named = new Set<string>();
      const note = (message: string, start: RegExp) => {
        assertMatch(message, start);
        for (const [, name] of message.matchAll(/(@[a-z/-]+)@\d/g)) named.add(name!);
      };
      const remote = `import { run, TaskRunner } from "@x/taskrunner";
        import { natsExecutor } from "@x/taskrunner/nats";
        const options = { executor: natsExecutor({ servers: "127.0.0.1", queue: "q" }) };
        await run([{ cmd: "true" }], options).next().catch((error) => console.log(error.message));
        const runner = new TaskRunner(options);
        runner.add("1", "true");
        await runner.runAndWait(() => {}).catch((error) => console.log(error.message));`;
      await writeFile(join(project.directory, "remote.mjs"), remote);
      const [inProgram, inProcess] = (await project.succeed("node", "remote.mjs")).split("\n");
      const reason = /^Cannot load the client for NATS: Cannot find package '@nats-io\/.*; run npm install @nats-io\//;
      for (const message of [inProgram!, inProcess!]) note(message, reason);
      for (const OTEL_EXPORTER_OTLP_PROTOCOL of ["http/protobuf", "http/json"]) {
        const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_PROTOCOL };
        const { stderr } = await project.run(["node_modules/.bin/taskrunner"], '{"cmd":"true"}\n', variables);
        note(
          stderr,
          /Cannot load its packages: Cannot find package '@opentelemetry\/.*; run npm install @opentelemetry\//,
        );
      }
      assertEquals([...named].sort(), Object.keys(peerDependencies).sort());
    });
  });

  test("Bun installs the package and runs the command without Node", async () => {
    await withProject(BUN, async (project) => {
      await project.succeed("bun", "add", "@x/taskrunner");
      for (const file of ["program.mjs", "program.cjs"]) assertEquals(await project.succeed("bun", file), "1210\n");
      await project.assertIsTaskrunner("bunx", "@x/taskrunner");
      await project.assertIsTaskrunner("node_modules/.bin/taskrunner");
      await project.succeed("bun", "add", "-g", "@x/taskrunner");
      await project.assertIsTaskrunner(join(project.home, ".bun/bin/taskrunner"));
    });
  });

  test("the command runs on Bun with bunx --bun, and on Node without the flag", async () => {
    await withProject({ ...NODE, ...BUN }, async (project) => {
      await project.succeed("bun", "add", "@x/taskrunner");
      const runtimeOf = async (...command: string[]) => {
        const task = JSON.stringify({ cmd: "readlink -f /proc/$PPID/exe", env: { PATH: process.env.PATH! } });
        const { stdout } = await project.run([...command, "--executor", "process", "-q"], `${task}\n`);
        return parseResults(stdout)[0]!.stdout.includes("bun");
      };
      assertEquals(await runtimeOf("bunx", "--bun", "@x/taskrunner"), true);
      assertEquals(await runtimeOf("node_modules/.bin/taskrunner"), false);
    });
  });

  test("Deno runs the command and a program, from its cache and from node_modules", async () => {
    await withProject(DENO, async (project) => {
      await project.assertIsTaskrunner("deno", "run", "-A", "npm:@x/taskrunner");
      const program = await readFile(join(project.directory, "program.mjs"), "utf8");
      await writeFile(join(project.home, "program.mjs"), program.replace('"@x/', '"npm:@x/'));
      assertEquals(await project.succeed("deno", "run", "-A", join(project.home, "program.mjs")), "1210\n");
      await project.succeed("deno", "add", "npm:@x/taskrunner");
      assertEquals(await project.succeed("deno", "run", "-A", "program.mjs"), "1210\n");
      await project.succeed("deno", "install", "-gA", "npm:@x/taskrunner");
      await project.assertIsTaskrunner(join(project.home, ".deno/bin/taskrunner"));
    });
  });

  test("without Node and Bun in PATH, the command names Node as missing", async () => {
    await withProject({}, async (project) => {
      const { directory } = await npmPackage();
      const { status, stderr } = await project.run([join(directory, "bin/taskrunner.js")]);
      assertEquals(status, 127);
      assertMatch(stderr, /node: not found/);
    });
  });

  test("a program that is bundled with the package runs tasks, without the process of TaskRunner", async () => {
    const { rolldown } = await import("rolldown");
    const { directory } = await npmPackage();
    await withTempDirectory(async (temporary) => {
      await mkdir(join(temporary, "node_modules/@x"), { recursive: true });
      await symlink(directory, join(temporary, "node_modules/@x/taskrunner"));
      const source = `import { run, TaskRunner } from "@x/taskrunner";
        for await (const { stdout } of run([{ cmd: "echo 1" }])) console.log(stdout.trim());
        const runner = new TaskRunner();
        runner.add("2", "echo 2");
        await runner.runAndWait(({ stdout }) => console.log(stdout.trim()));`;
      await writeFile(join(temporary, "program.mjs"), source);
      const bundler = await rolldown({ input: join(temporary, "program.mjs"), platform: "node" });
      const { output } = await bundler.write({ file: join(temporary, "out/bundle.mjs"), codeSplitting: false });
      assertEquals(output.length, 1);
      assert(!output[0].code.includes("only a TaskRunner starts it"), "the bundle contains the process of TaskRunner");
      const ended = await start(process.execPath, [join(temporary, "out/bundle.mjs")], { stdin: "" }).ended;
      assertEquals([ended.status, ended.stdout], [0, "1\n2\n"]);
      assertMatch(ended.stderr, /^taskrunner: TaskRunner runs its tasks in this process: this program is bundled/);
    });
  });
}
