import { existsSync } from "node:fs";
import { cp, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { DockerfileParser } from "dockerfile-ast";
import { validate } from "dockerfile-utils";
import { parse } from "yaml";
import { PROJECT, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const read = (...path: string[]) => readFile(join(PROJECT, ...path), "utf8");

/** Returns the files and directories that the build copies: those that `.dockerignore` excepts. */
async function contextPaths(): Promise<string[]> {
  const lines = (await read(".dockerignore")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assertEquals(lines[0], "*");
  const paths: string[] = [];
  for (const line of lines.slice(1)) {
    assert(line.startsWith("!"), line);
    const [, directory = "", suffix] = /^(.*?)\*(\.\w+)$/.exec(line.slice(1)) ?? [];
    if (suffix === undefined) paths.push(line.slice(1));
    else {paths.push(
        ...(await readdir(join(PROJECT, directory))).filter((name) => name.endsWith(suffix)).map((name) =>
          directory + name
        ),
      );}
  }
  return paths;
}

// These tests start Node, as the image does.
if (RUNTIME === "node") {
  test("the Containerfile has no errors, a pinned base, and a user other than root", async () => {
    const text = await read("Containerfile");
    assertEquals(validate(text).map(({ message }) => message), []);
    assert(validate(text.replace("WORKDIR", "WORK")).length > 0);
    const file = DockerfileParser.parse(text);
    for (const from of file.getFROMs()) assert(/:\d+\.\d+\.\d+-[a-z]+/.test(from.getImage()!), from.getImage()!);
    const lastOf = (keyword: string) =>
      file.getInstructions().filter((instruction) => instruction.getKeyword() === keyword).at(-1)!
        .getArgumentsContent();
    assert(/^[1-9]\d*:[1-9]\d*$/.test(lastOf("USER")!));
    assertEquals(JSON.parse(lastOf("ENTRYPOINT")!), ["tini", "--", "taskrunner"]);
    const context = await contextPaths();
    for (const copy of file.getCOPYs().filter((copy) => copy.getFromFlag() === null)) {
      for (const source of copy.getArguments().slice(0, -1).map((argument) => argument.getValue())) {
        assert(source === "." || context.includes(source), `${source} is not in the build context`);
        assert(existsSync(join(PROJECT, source)), `${source} does not exist`);
      }
    }
    const version = /^const VERSION = "(.*)";$/m.exec(await read("nats", "client", "connection.ts"))![1];
    assertEquals(
      new Set(text.match(/@nats-io\/[\w-]+@[\d.]+/g)!.map((name) => name.split("@")[2])),
      new Set([version]),
    );
  });

  test("the build context has all modules that the command loads", async () => {
    await withTempDirectory(async (directory) => {
      for (const path of await contextPaths()) {
        await cp(join(PROJECT, path), join(directory, path), { recursive: true });
      }
      await symlink(join(PROJECT, "node_modules"), join(directory, "node_modules"));
      const paths = await readdir(directory, { recursive: true });
      const modules = paths.filter((path) =>
        path.endsWith(".ts") && !/^dev|^node_modules|main\.ts$|spawn_adapters.(deno|bun)/.test(path)
      );
      assert(modules.includes("cli.ts") && modules.length > 100, `${modules.length} modules`);
      const script = modules.map((path) => `await import("./${path}");`).join("\n");
      const imported = start(process.execPath, ["--input-type=module", "-e", script], { cwd: directory, stdin: "" });
      assertEquals((await imported.ended).stderr, "");
      const each = start(process.execPath, ["cli.ts", "each", "echo {}", ":::", "a"], { cwd: directory, stdin: "" });
      assertEquals((await each.ended).stdout, "a\n");
    });
  });

  test("the worker of the Kubernetes manifest writes the file that its probe reads", async () => {
    const [{ args, readinessProbe, volumeMounts, livenessProbe }] =
      parse(await read("examples", "distributed", "kubernetes.yaml")).spec.template.spec.containers;
    const path = args[args.indexOf("--health-file") + 1];
    assertEquals(livenessProbe, undefined);
    assert(path.startsWith(`${volumeMounts[0].mountPath}/`));
    await withTempDirectory(async (directory) => {
      const own = join(directory, "healthy");
      const [program, ...rest] = readinessProbe.exec.command.map((word: string) => word.replace(path, own));
      const statusOf = async () => (await start(program, rest, { stdin: "" }).ended).status;
      assertEquals(await statusOf(), 1);
      await start("touch", [own], { stdin: "" }).ended;
      assertEquals(await statusOf(), 0);
      await start("touch", ["-t", "202601010000", own], { stdin: "" }).ended;
      assertEquals(await statusOf(), 1);
      const guide = await read("docs", "guides", "containers.md");
      assert(guide.includes(readinessProbe.exec.command.at(-1)));
    });
  });
}
