import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { run, type Task } from "../../mod.ts";
import { natsExecutor } from "../../nats/mod.ts";
import {
  collect,
  isAlive,
  lacks,
  parseResults,
  PROJECT,
  RUNTIME,
  start,
  startTaskrunner,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import {
  assertEachOnce,
  COMMANDS,
  completeLines,
  natsArgs,
  resultsOf,
  signal,
  startWorker,
  stop,
  withClient,
  withNatsServer,
} from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

test("when a worker is killed, its tasks end and run again on another worker", async () => {
  await withNatsServer(async (server, directory) => {
    const path = (name: string) => join(directory, name);
    await mkdir(path("tmp"));
    const worker = await startWorker(server.url, { env: { TMPDIR: path("tmp") } });
    // The first start waits forever.
    const cmd = `echo $$ >> ${path("pids")}; [ -e ${path("killed")} ] || { sleep 300; :; }; echo $TASKRUNNER_ID`;
    const tasks = await taskFile(directory, Array.from({ length: 4 }, (_, id) => ({ id, cmd })));
    const running = taskrunner(natsArgs(server, tasks, "--ack-wait", "1s"));
    await waitFor("the tasks", async () => (await completeLines(path("pids"))).length === 4);
    const before = (await completeLines(path("pids"))).map(Number);
    const scratch = dirname(dirname(await readlink(`/proc/${before[0]}/fd/1`)));
    assertEquals([existsSync(scratch), basename(scratch).startsWith("taskrunner-")], [true, true]);
    signal(worker, "SIGKILL");
    await waitFor("the tasks to end", () => !before.some(isAlive));
    await waitFor("the removal of its files", () => !existsSync(scratch));
    assertEquals(await readdir(path("tmp")), []);
    await writeFile(path("killed"), "");
    const other = await startWorker(server.url);
    assertEachOnce((await running).results, 4);
    await stop(other);
  });
});

test("a worker that was stopped for a while cannot change results", async () => {
  await withNatsServer(async (server, directory) => {
    const worker = await startWorker(server.url);
    const cmd =
      `echo begun >> ${directory}/begun; until [ -e ${directory}/go ]; do sleep 0.01; done; echo $TASKRUNNER_ID`;
    const tasks = await taskFile(directory, Array.from({ length: 4 }, (_, id) => ({ id, cmd })));
    const running = taskrunner(natsArgs(server, tasks, "--ack-wait", "1s"));
    const begun = async () => (await readFile(join(directory, "begun"), "utf8").catch(() => "")).split("\n").length - 1;
    await waitFor("the tasks", async () => await begun() === 4);
    signal(worker, "SIGSTOP");
    const other = await startWorker(server.url);
    await waitFor("the tasks to begin on the other worker", async () => await begun() === 8);
    await writeFile(join(directory, "go"), "");
    const { results } = await running;
    assertEachOnce(results, 4);
    assertEquals(new Set(results.map(({ worker }) => worker!.pid)), new Set([other.child.pid!]));
    signal(worker, "SIGCONT");
    await Promise.all([stop(worker), stop(other)]);
  });
});

test("a task that repeatedly kills its worker gets a result after the last redelivery", async () => {
  await withNatsServer(async (server, directory) => {
    const poison = `echo >> ${directory}/begun; kill -9 $(ps -o ppid= -p $PPID); sleep 300`;
    const tasks = await taskFile(directory, [{ id: "poison", cmd: poison }]);
    const running = taskrunner(natsArgs(server, tasks, "--ack-wait", "4s"));
    for (let time = 1; time <= 2; time++) {
      const { ended } = await startWorker(server.url, { args: ["--max-redeliveries", "1"] });
      assertEquals((await ended).signal, "SIGKILL");
    }
    const last = await startWorker(server.url, { args: ["--max-redeliveries", "1"] });
    const { status, results: [result] } = await running;
    assertEquals([status, result!.outcome, result!.status], [1, "killed", null]);
    assertEquals(result!.error, "The worker was lost while the task ran, even after 1 redelivery");
    assertEquals(await readFile(join(directory, "begun"), "utf8"), "\n\n");
    await stop(last);
  });
});

test("a killed run can be resumed, and no task with a result runs again", async () => {
  await withNatsServer(async (server, directory) => {
    const worker = await startWorker(server.url);
    const cmd = `echo $TASKRUNNER_ID >> ${directory}/ran; echo $TASKRUNNER_ID; sleep 0.01`;
    const tasks = await taskFile(directory, Array.from({ length: 300 }, (_, id) => ({ id, cmd })));
    const output = join(directory, "results.jsonl");
    const args = natsArgs(server, tasks, "-o", output);
    const first = startTaskrunner(args);
    await waitFor("some results", async () => (await resultsOf(output)).length > 50);
    signal(first, "SIGKILL");
    await first.ended;
    const listed = await taskrunner(["runs", "ls", "--nats", server.url]);
    const [remote] = listed.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals([remote.queue, remote.attempts], ["q", 300]);
    const { status, stderr } = await taskrunner([...args, "--resume"]);
    assertEquals([status, stderr], [0, ""]);
    assertEachOnce(await resultsOf(output), 300);
    assertEquals((await readFile(join(directory, "ran"), "utf8")).trim().split("\n").length, 300);
    assertEquals((await taskrunner(["runs", "ls", "--nats", server.url])).stdout, "");
    await stop(worker);
  });
});

test("tasks that a lost worker had taken run on another worker, even without the run", async () => {
  await withNatsServer(async (server, directory) => {
    const path = (name: string) => join(directory, name);
    const worker = await startWorker(server.url);
    const cmd = `echo $TASKRUNNER_ID >> ${path("ran")}; echo $TASKRUNNER_ID`;
    const tasks = await taskFile(directory, Array.from({ length: 2_000 }, (_, id) => ({ id, cmd })));
    const args = natsArgs(server, tasks, "-o", path("results.jsonl"), "--ack-wait", "1s");
    const first = startTaskrunner(args);
    const runs = async () => {
      const { stdout } = await taskrunner(["runs", "ls", "--nats", server.url]);
      return stdout.trim().split("\n").map((line) => JSON.parse(line));
    };
    await waitFor("some tasks", async () => (await completeLines(path("ran"))).length > 100);
    await waitFor("all tasks on the server", async () => (await runs())[0].attempts === 2_000);
    signal(first, "SIGKILL");
    signal(worker, "SIGKILL");
    await Promise.all([first.ended, worker.ended]);
    const before = (await runs())[0].results;
    const other = await startWorker(server.url);
    await waitFor("all results on the server", async () => (await runs())[0].results === 2_000);
    const { status, stderr } = await taskrunner([...args, "--resume"]);
    assertEquals([status, stderr], [0, ""]);
    assertEachOnce(await resultsOf(path("results.jsonl")), 2_000);
    const ran = await completeLines(path("ran"));
    // A worker that is lost has at most 4 running tasks, and 64 whose result the server has not confirmed.
    assert(ran.length <= 2_000 + 4 + 64, `${ran.length} starts`);
    assertEquals([new Set(ran).size, before <= 2_000], [2_000, true]);
    await stop(other);
  });
});

test("short tasks that a drained worker had taken run once, on another worker", async () => {
  await withNatsServer(async (server, directory) => {
    const path = (name: string) => join(directory, name);
    const worker = await startWorker(server.url);
    const cmd = `echo $TASKRUNNER_ID >> ${path("ran")}; echo $TASKRUNNER_ID`;
    const tasks = await taskFile(directory, Array.from({ length: 2_000 }, (_, id) => ({ id, cmd })));
    const running = taskrunner(natsArgs(server, tasks));
    await waitFor("some tasks", async () => (await completeLines(path("ran"))).length > 100);
    await stop(worker);
    const other = await startWorker(server.url);
    assertEachOnce((await running).results, 2_000);
    assertEquals((await completeLines(path("ran"))).length, 2_000);
    await stop(other);
  });
});

test("a resumed run takes over from a living run without starting a task twice", async () => {
  await withNatsServer(async (server, directory) => {
    const path = (name: string) => join(directory, name);
    const workers = [await startWorker(server.url), await startWorker(server.url)];
    const cmd = `echo $TASKRUNNER_ID >> ${path("ran")}; echo $TASKRUNNER_ID`;
    const tasks = Array.from({ length: 2_000 }, (_, id) => ({ id, cmd }));
    const nats = { servers: server.url, queue: "q", run: "r" };
    // The first run still sends tasks when the second takes over.
    const first = collect(run(tasks, { executor: natsExecutor(nats), concurrency: 500 }));
    first.catch(() => {});
    await waitFor("some tasks", async () => (await completeLines(path("ran"))).length > 100);
    const results = await collect(run(tasks, { executor: natsExecutor({ ...nats, resume: true }) }));
    await assertRejects(() => first, Error, "another run with --resume has taken over this run");
    assertEachOnce(results, 2_000);
    assertEquals((await completeLines(path("ran"))).length, 2_000);
    await Promise.all(workers.map(stop));
  });
});

test("short tasks behind a long one run on other workers", async () => {
  await withNatsServer(async (server, directory) => {
    const path = (name: string) => join(directory, name);
    const workers = [await startWorker(server.url, { args: ["-j", "1"] })];
    const short = (id: number) => ({ id, cmd: "echo $TASKRUNNER_ID" });
    const long = { id: 500, cmd: `until [ -e ${path("go")} ]; do sleep 0.05; done; echo 500` };
    const tasks = Array.from({ length: 1_000 }, (_, id) => id === 500 ? long : short(id));
    const running = taskrunner(natsArgs(server, await taskFile(directory, tasks), "-o", path("results.jsonl")));
    await waitFor("the tasks before", async () => (await completeLines(path("results.jsonl"))).length >= 500);
    workers.push(await startWorker(server.url, { args: ["-j", "1"] }));
    await waitFor("the other tasks", async () => (await completeLines(path("results.jsonl"))).length === 999);
    await writeFile(path("go"), "");
    assertEquals((await running).status, 0);
    assertEachOnce(await resultsOf(path("results.jsonl")), 1_000);
    await Promise.all(workers.map(stop));
  });
});

test("--resume-failed runs a failed task again, even after the run was killed", async () => {
  await withNatsServer(async (server, directory) => {
    const worker = await startWorker(server.url);
    const path = (name: string) => join(directory, name);
    const tasks = await taskFile(directory, [
      { id: "fails", cmd: `[ -e ${path("go")} ]` },
      { id: "waits", cmd: `until [ -e ${path("go")} ]; do sleep 0.01; done` },
    ]);
    const args = natsArgs(server, tasks, "-o", path("results.jsonl"));
    const first = startTaskrunner(args);
    await waitFor("a result", async () => (await resultsOf(path("results.jsonl"))).length === 1);
    signal(first, "SIGKILL");
    await first.ended;
    await writeFile(path("go"), "");
    const { status, stderr } = await taskrunner([...args, "--resume-failed"]);
    assertEquals([status, stderr], [0, ""]);
    const outcomes = (await resultsOf(path("results.jsonl"))).map(({ id, outcome }) => `${id} ${outcome}`);
    assertEquals(outcomes.sort(), ["fails failed", "fails ok", "waits ok"]);
    assertEquals((await taskrunner(["runs", "ls", "--nats", server.url])).stdout, "");
    await stop(worker);
  });
});

test("a drained run waits for the task of a worker that does not answer for a while", async () => {
  await withNatsServer(async (server, directory) => {
    const worker = await startWorker(server.url);
    const path = (name: string) => join(directory, name);
    const cmd = `: > ${path("begun")}; until [ -e ${path("go")} ]; do sleep 0.01; done; echo $TASKRUNNER_ID`;
    const running = startTaskrunner(natsArgs(server, await taskFile(directory, [{ id: 0, cmd }])));
    await waitFor("the task", () => existsSync(path("begun")));
    signal(worker, "SIGSTOP");
    await withClient(server, async (client) => {
      const questions = client.subscribe("taskrunner.q.*.control", { max: 3 });
      await client.flush();
      signal(running, "SIGHUP");
      for await (const _ of questions); // the first three questions get no answer
    });
    signal(worker, "SIGCONT");
    await writeFile(path("go"), "");
    const { status, stdout } = await running.ended;
    assertEquals(status, 129);
    assertEachOnce(parseResults(stdout), 1);
    await stop(worker);
  });
});

test("a second SIGTERM makes a worker kill its tasks, which start on another worker at once", async () => {
  await withNatsServer(async (server, directory) => {
    const worker = await startWorker(server.url);
    const path = (name: string) => join(directory, name);
    const cmd = `echo $$ >> ${path("pids")}; until [ -e ${path("go")} ]; do sleep 0.01; done; echo $TASKRUNNER_ID`;
    const tasks = await taskFile(directory, Array.from({ length: 4 }, (_, id) => ({ id, cmd })));
    const running = taskrunner(natsArgs(server, tasks, "--ack-wait", "1h"));
    await waitFor("the tasks", async () => (await completeLines(path("pids"))).length === 4);
    signal(worker, "SIGTERM");
    await waitFor("it to stop", () => worker.output.stderr.includes("taking no more"));
    signal(worker, "SIGTERM");
    const { status, stderr } = await worker.ended;
    assertEquals([status, stderr.includes("killing running tasks; other workers will run them again")], [143, true]);
    for (const pid of await completeLines(path("pids"))) assertEquals(isAlive(Number(pid)), false);
    await writeFile(path("go"), "");
    const other = await startWorker(server.url);
    assertEachOnce((await running).results, 4);
    await stop(other);
  });
});

test("the result reports that a worker lost the file with the output", async () => {
  await withNatsServer(async (server, directory) => {
    const temporary = join(directory, "tmp");
    await mkdir(temporary);
    const worker = await startWorker(server.url, { args: ["--executor", "process"], env: { TMPDIR: temporary } });
    const cmd = `yes | head -c 3000000; until [ -e ${directory}/go ]; do sleep 0.01; done`;
    const running = taskrunner(natsArgs(server, await taskFile(directory, [{ cmd }]), "--max-inline", "1k"));
    await waitFor("the file", async () => {
      const [name] = (await readdir(temporary)).filter((name) => name.includes("-output-"));
      if (!name) return false;
      await rm(join(temporary, name), { recursive: true });
      return true;
    });
    await writeFile(join(directory, "go"), "");
    const { status, results: [result] } = await running;
    assertEquals([status, result!.outcome, result!.stdoutBytes], [1, "failed", 3_000_000]);
    assertEquals(result!.error, "Cannot keep all of the output: no such file or directory");
    await stop(worker);
  });
});

for (const name of ["SIGINT", "SIGTERM"] as const) {
  test(`${name} ends the tasks of a run on all workers, and leaves nothing on the server`, async () => {
    await withNatsServer(async (server, directory) => {
      const worker = await startWorker(server.url);
      const tasks = Array.from(
        { length: 20 },
        (_, id) => ({ id, cmd: `echo $$ > ${directory}/pid${id}; sleep 300; :` }),
      );
      const running = startTaskrunner(natsArgs(server, await taskFile(directory, tasks)));
      const paths = [0, 1, 2, 3].map((id) => join(directory, `pid${id}`));
      await waitFor("the tasks", () => paths.every(existsSync));
      signal(running, name);
      const { status, stdout } = await running.ended;
      assertEquals(status, name === "SIGINT" ? 130 : 143);
      assertEquals(parseResults(stdout).map(({ outcome }) => outcome), Array(4).fill("canceled"));
      assertEquals((await taskrunner(["runs", "ls", "--nats", server.url])).stdout, "");
      await stop(worker);
    });
  });
}

test(
  "server and credentials come from the environment or a context, and tasks do not see them",
  async () => {
    const config = 'jetstream { domain: hub }\nauthorization { user: me, password: "secret-word" }';
    await withNatsServer(
      async ({ port }, directory) => {
        const url = `nats://127.0.0.1:${port}`;
        await mkdir(join(directory, "nats", "context"), { recursive: true });
        const empty = Object.fromEntries(
          ["token", "creds", "nkey", "ca", "cert", "key", "inbox_prefix"].map((name) => [name, ""]),
        );
        const context = {
          url,
          user: "me",
          password: "secret-word",
          ...empty,
          tls_first: false,
          jetstream_domain: "hob",
        }; // in the format of the nats command
        await writeFile(join(directory, "nats", "context", "home.json"), JSON.stringify(context));
        const secrets = { NATS_USER: "me", NATS_PASSWORD: "secret-word" };
        const worker = await startWorker(url, { env: secrets });
        const tasks: Task[] = [{ cmd: "env | grep NATS; cat /proc/$PPID/environ | grep -c secret-word" }];
        const file = await taskFile(directory, tasks);
        const inContext = ["--queue", "q", "--nats-context", "home", file];
        const env = { XDG_CONFIG_HOME: directory, NATS_CREDS: "", NATS_CA: "" };
        const elsewhere = taskrunner(inContext, { env });
        const runs = [
          taskrunner(["--queue", "q", file], { env: { NATS_URL: url, ...secrets } }),
          taskrunner([...inContext, "--js-domain", "hub"], { env }),
        ];
        for (const { results: [result], stderr } of await Promise.all(runs)) {
          assertEquals([result?.stdout, stderr], ["0\n", ""]);
        }
        assertMatch((await elsewhere).stderr, /it has no JetStream domain "hob"\n$/);
        const refused = await taskrunner(["--queue", "q", "--nats", url, file]);
        assertEquals([refused.status, refused.stdout], [255, ""]);
        assertMatch(
          refused.stderr,
          /^taskrunner: Cannot connect to NATS at 127.0.0.1:\d+: the server rejected the login\n$/,
        );
        await stop(worker);
      },
      [],
      config,
    );
  },
);

test("runs show prints a run, and runs rm removes it", async () => {
  await withNatsServer(async (server, directory) => {
    const running = startTaskrunner(natsArgs(server, await taskFile(directory, [{ cmd: "true" }])));
    const runs = (...args: string[]) => taskrunner(["runs", ...args, "--nats", server.url]);
    let line = "";
    await waitFor("the run", async () => {
      line = (await runs("ls")).stdout;
      assertEquals(running.output.stdout, ""); // there is no worker
      return line.includes('"attempts":1');
    });
    const { queue, run: name } = JSON.parse(line);
    assertEquals((await runs("show", `${queue}/${name}`)).stdout, line);
    assertEquals((await runs("rm", `${queue}/${name}`)).status, 0);
    assertEquals((await runs("ls")).stdout, "");
    const { status, stderr } = await running.ended;
    assertEquals(status, 255);
    assertMatch(stderr, /the run was removed from the server/);
    assertMatch(
      (await runs("rm", `${queue}/${name}`)).stderr,
      /Cannot remove the run "q\/[^"]+": the server has no such run/,
    );
  });
});

test("the commands in docs/guides/distributed.md work as written", async () => {
  if (lacks("nats-server")) return;
  const text = await readFile(join(PROJECT, "docs", "guides", "distributed.md"), "utf8");
  const [server, worker, run] = /```sh\n([^`]*)```/.exec(text)![1]!.trim().split("\n");
  const command = [...COMMANDS[RUNTIME]!, join(PROJECT, "cli.ts")].join(" ");
  await withTempDirectory(async (directory) => {
    // The server chooses a free port, and writes it to a file.
    const ports = "-p -1 --ports_file_dir .";
    const url = "$(sed 's/.*\\(nats:[^\"]*\\).*/\\1/' *.ports)";
    const script = [
      server!.replace('"$HOME/nats"', `"$PWD"/data ${ports} 2> server.log`) + " server=$!",
      "until grep -q nats: *.ports 2> /dev/null; do sleep 0.05; done",
      worker!.replace("taskrunner", command).replace("nats://127.0.0.1:4222", url) + " worker=$!",
      run!.replace("taskrunner", command).replace("nats://127.0.0.1:4222", url) + "; status=$?",
      "kill $worker; wait $worker; kill $server; wait $server; exit $status",
    ].join("\n");
    const { status, stderr } = await start("sh", ["-c", script], {
      cwd: directory,
      stdin: "",
    }).ended;
    assertMatch(stderr, /1,000 tasks in .* 1,000 ok/);
    assertEquals([status, (await resultsOf(join(directory, "results.jsonl"))).length], [0, 1_000]);
  });
});

test("usage errors are reported before a run starts", async () => {
  const errors: [string[], RegExp][] = [
    [["--nats", "nats://127.0.0.1:1"], /Missing --queue NAME/],
    [["--queue", "q"], /Missing --nats URL: give a server such as nats:\/\/HOST:4222, or set NATS_URL/],
    [["--nats", "x", "--queue", "a,b"], /--queue must be one queue, got "a,b"/],
    [["--nats", "x", "--queue", "a b"], /--queue must have 1 to 64 letters/],
    [
      ["--nats", "x", "--queue", "q", "--load", "2"],
      /Cannot use --load with --nats: --load is for tasks on this machine/,
    ],
    [["--queue", "q", "--nats-context", "no-such"], /Cannot read the NATS context .*no-such.json: no such file/],
    [["--nats", "nats://127.0.0.1:1", "--queue", "q"], /Cannot connect to NATS at 127.0.0.1:1: connection refused/],
    [["--nats", "x", "--queue", "q", "--ack-wait", "99ms"], /--ack-wait must be at least 100ms, got "99ms"/],
    [
      ["--nats", "x", "--queue", "q", "--nats-replicas", "6"],
      /--nats-replicas must be an integer from 1 to 5, got "6"/,
    ],
    [
      ["worker", "--nats", "x", "--queue", "q", "--max-redeliveries", "0"],
      /--max-redeliveries must be an integer of at least 1/,
    ],
    [["worker", "--nats", "x"], /Missing --queue NAME/],
    [
      ["worker", "--nats", "x", "--queue", "q", "--retries", "2"],
      /--retries is a flag of taskrunner run and each, not of taskrunner worker/,
    ],
    [
      ["worker", "--nats", "x", "--queue", "q", "tasks.jsonl"],
      /Expected no arguments, got "tasks.jsonl": a worker takes tasks from --queue/,
    ],
    [["runs"], /Expected ls, show QUEUE\/RUN or rm QUEUE\/RUN, got nothing/],
    [["runs", "ls", "x"], /Expected ls, .* got "ls" "x"/],
    [["runs", "rm"], /Expected ls, .* got "rm"/],
  ];
  const env = { NATS_URL: "", NATS_CONTEXT: "", XDG_CONFIG_HOME: "/nowhere" };
  for (const [args, message] of errors) {
    const { status, stdout, stderr } = await startTaskrunner(args, { env, stdin: "" }).ended;
    assertMatch(stderr, message);
    assertEquals([status, stdout], [255, ""]);
  }
});
