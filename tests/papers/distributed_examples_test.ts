import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { Deployment, type IDeployment } from "kubernetes-models/apps/v1";
import { parse } from "yaml";
import { lacks, PROJECT, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const example = (name: string) => readFile(join(PROJECT, "examples", "distributed", name), "utf8");

test("the example systemd unit passes systemd-analyze verify", async () => {
  if (lacks("systemd-analyze")) return;
  const unit = await example("taskrunner-worker.service");
  await withTempDirectory(async (directory) => {
    const verify = async (text: string) => {
      const path = join(directory, "taskrunner-worker.service");
      await writeFile(path, text.replace("/usr/local/bin/deno", process.execPath)); // must exist
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
      return { status, output: `${stdout}${stderr}`.replaceAll(directory, "") };
    };
    assertEquals(await verify(unit), { status: 0, output: "" });
    const { output } = await verify(unit.replace("KillMode=mixed", "KillMode=mix"));
    assertEquals(output.includes("Failed to parse kill mode"), true, output);
  });
});

test("the examples start a worker with existing flags", async () => {
  const [, ofUnit] = /^ExecStart=.* worker (.*)$/m.exec(await example("taskrunner-worker.service"))!;
  const { command, args } = parse(await example("kubernetes.yaml")).spec.template.spec.containers[0];
  assertEquals(command.at(-1), "worker");
  for (const flags of [ofUnit!.split(" "), args]) {
    const { status, stderr } = await taskrunner(["worker", ...flags, "one too many"]);
    assertEquals([status, stderr.split(":")[1]], [255, ' Expected no arguments, got "one too many"']);
  }
});

test("the Kubernetes manifest is a valid Deployment", async () => {
  const manifest = parse(await example("kubernetes.yaml"));
  new Deployment(manifest).validate();
  const wrong: IDeployment = { ...manifest, spec: { ...manifest.spec, replicas: "three" } };
  assertThrows(() => new Deployment(wrong).validate(), Error, "replicas");
  const { matchLabels } = manifest.spec.selector;
  assertEquals(manifest.spec.template.metadata.labels, matchLabels);
});
