import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { Deployment, type IDeployment } from "kubernetes-models/apps/v1";
import { parse } from "yaml";
import { lacks, PROJECT, taskrunner, withTempDirectory } from "../support/helpers.ts";

const example = (name: string) => readFile(join(PROJECT, "examples", "distributed", name), "utf8");

test("the systemd unit has no mistake that systemd knows of", async () => {
  if (lacks("systemd-analyze")) return;
  const unit = await example("taskrunner-worker.service");
  await withTempDirectory(async (directory) => {
    const verify = async (text: string) => {
      const path = join(directory, "taskrunner-worker.service");
      await writeFile(path, text.replace("/usr/local/bin/deno", process.execPath)); // which has to be there
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
      return { status, said: `${stdout}${stderr}`.replaceAll(directory, "") };
    };
    assertEquals(await verify(unit), { status: 0, said: "" });
    const { said } = await verify(unit.replace("KillMode=mixed", "KillMode=mix"));
    assertEquals(said.includes("Failed to parse kill mode"), true, said);
  });
});

test("both start a worker with flags that it has", async () => {
  const [, ofUnit] = /^ExecStart=.* worker (.*)$/m.exec(await example("taskrunner-worker.service"))!;
  const { command, args } = parse(await example("kubernetes.yaml")).spec.template.spec.containers[0];
  assertEquals(command.at(-1), "worker");
  for (const flags of [ofUnit!.split(" "), args]) {
    const { status, stderr } = await taskrunner(["worker", ...flags, "one too many"]);
    assertEquals([status, stderr.split(":")[1]], [255, " A worker takes its tasks from a queue"]);
  }
});

test("the Kubernetes manifest is a deployment as its schema has it", async () => {
  const manifest = parse(await example("kubernetes.yaml"));
  new Deployment(manifest).validate();
  const wrong: IDeployment = { ...manifest, spec: { ...manifest.spec, replicas: "three" } };
  assertThrows(() => new Deployment(wrong).validate(), Error, "replicas");
  const { matchLabels } = manifest.spec.selector;
  assertEquals(manifest.spec.template.metadata.labels, matchLabels);
});
