import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { HealthFile } from "../../cli/health_file.ts";
import type { Worker } from "../../nats/mod.ts";
import { waitFor, withTempDirectory } from "../support/helpers.ts";
import { signal, startWorker, stop, withNatsServer, withWorker } from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

test("a worker is healthy while the server answers", async () => {
  await withNatsServer(async (server) => {
    let stopped: Worker | undefined;
    await withWorker(server, async (worker) => {
      stopped = worker;
      assertEquals(await worker.isHealthy(), false);
      await worker.connected;
      await waitFor("an answer", () => worker.isHealthy());
      process.kill(server.process.pid!, "SIGSTOP");
      try {
        // The system stops the server a moment after the signal.
        await waitFor("no answer", async () => !await worker.isHealthy());
      } finally {
        process.kill(server.process.pid!, "SIGCONT");
      }
      await waitFor("another answer", () => worker.isHealthy());
    });
    assertEquals(await stopped!.isHealthy(), false);
  });
});

test("a health file is new while the worker is healthy, and is removed otherwise", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "healthy");
    const notices: string[] = [];
    let isHealthy = false;
    let checks = 0;
    writeFileSync(path, "left by a worker that was killed");
    const file = new HealthFile({
      path,
      isHealthy: () => (checks++, Promise.resolve(isHealthy)),
      onNotice: (text) => notices.push(text),
      intervalMs: 10,
    });
    await waitFor("the removal", () => !existsSync(path));
    isHealthy = true;
    await waitFor("the file", () => existsSync(path));
    writeFileSync(path, "kept");
    utimesSync(path, 0, 0);
    await waitFor("the new time", () => statSync(path).mtimeMs > 0);
    assertEquals(readFileSync(path, "utf8"), "kept");
    isHealthy = false;
    await waitFor("the removal", () => !existsSync(path));
    mkdirSync(path);
    isHealthy = true;
    const checksBefore = checks;
    await waitFor("three more checks", () => checks > checksBefore + 3);
    assertEquals(notices, [`cannot update the health file ${path}: it is a directory`]);
    rmdirSync(path);
    await waitFor("the file", () => existsSync(path));
    await file.close();
    assertEquals([existsSync(path), notices.length], [false, 1]);
  });
});

test("worker --health-file has a file while it is connected, and a check that detects a worker that hangs", async () => {
  await withNatsServer(async ({ url }, directory) => {
    const path = join(directory, "healthy");
    const worker = await startWorker(url, { args: ["--health-file", path] });
    await waitFor("the file", () => existsSync(path));
    await stop(worker);
    assert(!existsSync(path));
    const killed = await startWorker(url, { args: ["--health-file", path] });
    await waitFor("the file", () => existsSync(path));
    signal(killed, "SIGKILL");
    await killed.ended;
    assert(existsSync(path)); // its age reveals the end of the worker
  });
});
