import { appendFile, readdir, readFile, rename, truncate, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import {
  type Color,
  colorsOf,
  computedColors,
  contrastOf,
  IN_BROWSER,
  waitForResults,
  withPage,
} from "../support/browser.ts";
import {
  IS_LEFT_TO_BUN,
  jsonLines,
  mixedTasks,
  parseResults,
  PROJECT,
  resultWith,
  RUNTIME,
  start,
  type Started,
  startTaskrunner,
  taskFile,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Options of tests of the page itself, which does not depend on the runtime that serves it. */
const OF_THE_PAGE = { ...IN_BROWSER, skip: IN_BROWSER.skip || IS_LEFT_TO_BUN };

/** Waits for the URL of the page on standard error and returns it. */
async function urlOf({ output }: Started): Promise<string> {
  const find = () => /http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/(?=\n)/.exec(output.stderr)?.[0];
  await waitFor("the address of the page", find);
  return find()!;
}

/** Sends a request with headers that a browser would not let a page set. */
function request(url: string, headers: Record<string, string> = {}, method = "GET"): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(url, { headers, method }, resolve).on("error", reject));
}

async function statusOf(url: string, headers: Record<string, string> = {}, method?: string): Promise<number> {
  const response = await request(url, headers, method);
  response.destroy();
  return response.statusCode!;
}

/** Returns tasks that end when a file exists. */
const held = (count: number, file: string) =>
  Array.from({ length: count }, (_, index) => ({
    id: `held ${index + 1}`,
    cmd: `until [ -e '${file}' ]; do sleep 0.05; done`,
  }));

test("a live page shows a run in progress and its end", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const path = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, [...mixedTasks(20), ...held(2, go)]);
    const run = startTaskrunner([tasks, "-o", path, "-j4", "--watch", "0"], { stdin: "" });
    await withPage(await urlOf(run), async (page) => {
      await waitForResults(page, 20);
      assertStringIncludes(await page.innerText("#progress"), "20 of 22 done, 2 running");
      await page.fill("#search", "task 20");
      assertEquals(await page.locator("#found .id").count(), 1);
      await writeFile(go, "");
      await waitForResults(page, 22);
      await page.getByText("The run has ended; these are its final results.").waitFor();
      const ok = parseResults(await readFile(path, "utf8")).filter(({ outcome }) => outcome === "ok").length;
      assertStringIncludes(await page.innerText('[data-outcome="ok"]'), `${ok}`);
      assertEquals(await page.inputValue("#search"), "task 20", "updates keep the text in the search box");
    });
    assertEquals(
      (await run.ended).status,
      22 - parseResults(await readFile(path, "utf8")).filter((r) => r.outcome === "ok").length,
    );
  });
});

test("the progress bar has enough contrast in both themes and an accessible name", OF_THE_PAGE, async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const tasks = await taskFile(directory, [{ cmd: "true" }, { cmd: "true" }, ...held(2, go)]);
    const run = startTaskrunner([tasks, "-j2", "--watch", "0"], { stdin: "" });
    await withPage(await urlOf(run), async (page) => {
      await waitForResults(page, 2);
      await page.getByText("50 %: 2 of 4 done").waitFor();
      const bar = page.getByRole("progressbar", { name: "Finished tasks" });
      assertEquals(await bar.evaluate((bar) => (bar as unknown as { value: number }).value), 0.5);
      for (const theme of ["light", "dark"]) {
        const [done, rest] = await colorsOf(page, "#progress progress", [[0.25, 0.5], [0.75, 0.5]]);
        const [[border, section]] = await computedColors(page, ["#progress progress"], "borderTopColor") as [
          [Color, Color],
        ];
        for (const [one, other] of [[done, rest], [border, section], [done, section]] as const) {
          const contrast = contrastOf(one!, other!);
          assert(contrast >= 3, `${theme}: ${one} on ${other}: ${contrast}`);
        }
        assert(contrastOf(rest!, section) < 1.5, `${theme}: the unfinished part of the bar is too prominent`);
        await page.click("#theme");
      }
      await writeFile(go, "");
      await page.getByText("The run has ended").waitFor();
      assertEquals(await page.locator("#progress").isVisible(), false);
    });
    assertEquals((await run.ended).status, 0);
  });
});

test(
  "a live page whose run was killed keeps its results and warns that they may be out of date",
  IN_BROWSER,
  async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "results.jsonl");
      await writeFile(path, jsonLines([resultWith({}), resultWith({ id: "2" })]));
      const watch = startTaskrunner(["watch", path], { stdin: "" });
      await withPage(await urlOf(watch), async (page) => {
        await waitForResults(page, 2);
        process.kill(watch.child.pid!, "SIGKILL");
        await page.getByText(
          "The connection to taskrunner is lost. Reconnecting; until then, this page may be out of date.",
        )
          .waitFor();
        assertStringIncludes(await page.innerText('[data-figure="results"]'), "2");
      }, { expected: /net::ERR_/ });
      await watch.ended;
    });
  },
);

/** Script that makes unpacking the first report fail. */
const FAIL_ONCE = `{
  const Real = DecompressionStream;
  globalThis.DecompressionStream = function (format) {
    globalThis.DecompressionStream = Real;
    throw new Error("out of memory");
  };
}`;

test("a live page recovers from a report that it cannot unpack", OF_THE_PAGE, async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, jsonLines([resultWith({})]));
    const watch = startTaskrunner(["watch", path], { stdin: "" });
    await withPage(await urlOf(watch), async (page) => {
      await page.getByText("Cannot show the latest results: Error: out of memory").waitFor();
      await appendFile(path, jsonLines([resultWith({ id: "2" })]));
      await waitForResults(page, 2);
      await page.locator("#state").waitFor({ state: "hidden" });
    }, { script: FAIL_ONCE });
    process.kill(watch.child.pid!, "SIGINT");
    assertEquals((await watch.ended).status, 130);
  });
});

test("neither a closed nor a stalled browser affects the run", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const tasks = await taskFile(directory, [{ cmd: "echo 1" }, ...held(1, go), { cmd: "echo 3" }]);
    const run = startTaskrunner([tasks, "-j2", "--watch", "0"], { stdin: "" });
    const url = await urlOf(run);
    const stalled = await request(`${url}events`);
    await withPage(url, (page) => waitForResults(page, 2));
    await writeFile(go, "");
    const { status, stdout } = await run.ended;
    assertEquals([status, parseResults(stdout).length], [0, 3]);
    stalled.destroy();
  });
});

test("no other site can read the page or its events", async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const run = startTaskrunner([await taskFile(directory, held(1, go)), "--watch", "0"], { stdin: "" });
    const url = await urlOf(run);
    const { port } = new URL(url);
    for (const path of [url, `${url}events`]) {
      for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "localhost:9999", "127.0.0.1"]) {
        assertEquals(await statusOf(path, { host, origin: `http://${host}` }), 200, host);
      }
      const refused: Record<string, string>[] = [
        { host: `evil.example:${port}` },
        { host: `127.0.0.1.evil.example` },
        { host: `evil.example@127.0.0.1` },
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: "http://127.0.0.1:1" },
        { origin: `https://127.0.0.1:${port}` },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ];
      for (const headers of refused) {
        assertEquals(await statusOf(path, { host: `127.0.0.1:${port}`, ...headers }), 403, JSON.stringify(headers));
      }
      assertEquals(await statusOf(path, {}, "POST"), 405);
    }
    assertEquals(await statusOf(`${url}../../etc/passwd`), 404);
    const { headers } = await request(url);
    assertEquals(headers["access-control-allow-origin"], undefined);
    assertEquals(headers["cross-origin-resource-policy"], "same-origin");
    assertStringIncludes(`${headers["content-security-policy"]}`, "frame-ancestors 'none'");
    await writeFile(go, "");
    assertEquals((await run.ended).status, 0);
  });
});

test("the live page needs the key in its URL, which is different for each run", async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const tasks = await taskFile(directory, held(1, go));
    const runs = [1, 2].map(() => startTaskrunner([tasks, "--watch", "0"], { stdin: "" }));
    const [url, other] = await Promise.all(runs.map(urlOf));
    const [{ origin, pathname }, foreign] = [new URL(url!), new URL(other!).pathname];
    assert(pathname !== foreign);
    const cut = pathname.slice(0, -2);
    for (const path of ["/", "/events", foreign, `${foreign}events`, `${cut}/`, `${cut}/events`, cut, "//"]) {
      assertEquals(await statusOf(`${origin}${path}`), 404, path);
    }
    for (const path of ["", "?a", "events"]) assertEquals(await statusOf(`${url}${path}`), 200, path);
    await writeFile(go, "");
    for (const run of runs) assertEquals((await run.ended).status, 0);
  });
});

test("a port in use is an error before any task runs", async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const first = startTaskrunner([await taskFile(directory, held(1, go)), "--watch", "0"], { stdin: "" });
    const { port } = new URL(await urlOf(first));
    const path = join(directory, "results.jsonl");
    const second = await startTaskrunner(["each", "--watch", port, "-o", path, "echo {}", ":::", "1"], { stdin: "" })
      .ended;
    assertStringIncludes(second.stderr, `Cannot listen on 127.0.0.1:${port}: the address is already in use`);
    assertEquals([second.status, await readFile(path, "utf8").catch(() => "no file")], [255, "no file"]);
    await writeFile(go, "");
    assertEquals((await first.ended).status, 0);
  });
});

test("watch follows a results file as it grows, even if it does not exist yet", IN_BROWSER, async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const watch = startTaskrunner(["watch", path], { stdin: "" });
    await withPage(await urlOf(watch), async (page) => {
      await page.getByText("Waiting for the first result.").waitFor();
      assertEquals(await page.locator("h2:visible").count(), 0, "no sections without results");
      const line = jsonLines([resultWith({ id: "b".repeat(300_000) })]);
      await writeFile(path, jsonLines([resultWith({ id: "a" })]) + line.slice(0, 290_000));
      await waitForResults(page, 1);
      assertEquals(await page.locator("#progress, #state").filter({ visible: true }).count(), 0);
      await appendFile(
        path,
        line.slice(290_000) + jsonLines([resultWith({ id: "c", outcome: "failed", stderr: "c\n" })]),
      );
      await waitForResults(page, 3);
      await page.locator("#failures summary").click({ position: { x: 3, y: 8 } });
      await page.fill("#search", "c");
      assertEquals(await page.locator("#found .id").allInnerTexts(), ["c"]);
      // A resumed run truncates an unfinished line and writes its result again.
      const { length } = await readFile(path);
      await appendFile(path, line.slice(0, 1000));
      await truncate(path, length);
      await appendFile(path, line);
      await waitForResults(page, 4);
      await appendFile(path, jsonLines([resultWith({ id: "d", outcome: "failed", stderr: "d\n" })]));
      await waitForResults(page, 5);
      assertEquals(await page.locator("#failures details[open]").count(), 1, "closed entries stay closed");
      process.kill(watch.child.pid!, "SIGINT");
      await page.getByText("taskrunner has stopped watching; these are the last results it read.").waitFor();
    });
    const { status, signal, stdout, stderr } = await watch.ended;
    assertEquals([status, signal, stdout], [130, null, ""], stderr);
  });
});

test(
  "watch fails when the file is truncated or replaced, or is not a results file",
  async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "results.jsonl");
      await writeFile(path, jsonLines([resultWith({}), resultWith({ id: "2" })]));
      const watch = startTaskrunner(["watch", path, "--port", "0"], { stdin: "" });
      const url = await urlOf(watch);
      const events = await request(`${url}events`);
      let text = "";
      events.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
      await waitFor("the first report", () => text.includes("event: report"));
      await truncate(path, 10);
      const { status, stderr } = await watch.ended;
      assertEquals(status, 255);
      assertStringIncludes(stderr, "the file was truncated or replaced");
      assert(
        text.endsWith("event: end\ndata: taskrunner has stopped watching; these are the last results it read.\n\n"),
      );

      await writeFile(path, jsonLines([resultWith({})]));
      const other = await taskFile(directory, [resultWith({ id: "2" })], "other.jsonl");
      const second = startTaskrunner(["watch", path], { stdin: "" });
      const moreEvents = await request(`${await urlOf(second)}events`);
      let more = "";
      moreEvents.setEncoding("utf8").on("data", (chunk: string) => more += chunk);
      await waitFor("the first report", () => more.includes("event: report"));
      await rename(other, path);
      assertStringIncludes((await second.ended).stderr, "the file was replaced");

      const tasks = await taskFile(directory, [{ cmd: "true" }]);
      const wrong = await startTaskrunner(["watch", tasks], { stdin: "" }).ended;
      assertEquals(wrong.status, 255);
      assertStringIncludes(wrong.stderr, 'tasks.jsonl:1: Cannot read the result: the field "id" is missing');
    });
  },
);

test("connections to the live page are limited, to leave descriptors for tasks", async () => {
  await withTempDirectory(async (directory) => {
    const go = join(directory, "go");
    const run = startTaskrunner([await taskFile(directory, held(1, go)), "--watch", "0"], { stdin: "" });
    const { port } = new URL(await urlOf(run));
    const sockets = Array.from({ length: 300 }, () => connect(Number(port), "127.0.0.1"));
    for (const socket of sockets) socket.on("error", () => {}); // refused connections
    const descriptors = async () => (await readdir(`/proc/${run.child.pid}/fd`)).length;
    await waitFor("most connections to be refused", () => {
      return sockets.every(({ connecting }) => !connecting) && sockets.filter(({ closed }) => closed).length >= 200;
    });
    assert(await descriptors() < 150, `${await descriptors()} descriptors`);
    for (const socket of sockets) socket.destroy();
    await writeFile(go, "");
    assertEquals((await run.ended).status, 0);
  });
});

if (RUNTIME === "deno") {
  test("on Deno, --watch without the permission for its port fails before any task runs", async () => {
    const permissions = ["--no-prompt", "--allow-read", "--allow-write", "--allow-run", "--allow-env", "--allow-sys"];
    const args = ["run", ...permissions, join(PROJECT, "cli.ts"), "each", "--watch", "0", "echo {}", ":::", "1"];
    const { status, stdout, stderr } = await start(process.execPath, args, { stdin: "" }).ended;
    assertEquals([status, stdout], [255, ""]);
    assertStringIncludes(stderr, "Cannot listen on 127.0.0.1:0: Deno needs --allow-net=127.0.0.1");
  });
}
