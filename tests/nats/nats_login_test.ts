import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeys } from "@nats-io/transport-node";
import { run, type TaskResult } from "../../mod.ts";
import { type NatsConnectionOptions, natsExecutor, Worker } from "../../nats/mod.ts";
import { listRuns } from "../../nats/client/runs.ts";
import { collect, lacks, PROJECT, waitFor, withTempDirectory } from "../support/helpers.ts";
import { startNatsServer, stopNatsServer } from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

/**
 * Starts a server with a configuration, then a worker and a run that log in with the options. Returns the output of the
 * task of the run.
 */
async function runWith(
  config: string,
  directory: string,
  options: Omit<NatsConnectionOptions, "servers">,
  urlOf: (port: number) => string = (port) => `nats://127.0.0.1:${port}`,
): Promise<string> {
  const path = join(directory, "server.conf");
  await writeFile(path, config);
  const server = await startNatsServer(directory, ["-c", path]);
  try {
    const nats = { servers: urlOf(server.port), ...options };
    const results = collect(run([{ cmd: "echo in" }], { executor: natsExecutor({ ...nats, queue: "q" }) }));
    results.catch(() => {});
    await Promise.race([results, new Promise((resolve) => setImmediate(resolve))]);
    const worker = new Worker({ nats, queues: ["q"], concurrency: 1 });
    const working = worker.run();
    working.catch(() => {});
    try {
      return (await Promise.all([results, worker.connected]))[0][0]!.stdout;
    } finally {
      worker.drain();
      await working.catch(() => {});
    }
  } finally {
    await stopNatsServer(server);
  }
}

test("natsExecutor() logs in with a token, from an option or the URL", async () => {
  await withTempDirectory(async (directory) => {
    const config = "authorization { token: a-token }";
    assertEquals(await runWith(config, directory, { token: "a-token" }), "in\n");
    assertEquals(await runWith(config, directory, {}, (port) => `nats://a-token@127.0.0.1:${port}`), "in\n");
  });
});

test("natsExecutor() logs in with the seed of an nkey", async () => {
  await withTempDirectory(async (directory) => {
    const pair = nkeys.createUser();
    const nkeyFile = join(directory, "user.nk");
    await writeFile(nkeyFile, `${new TextDecoder().decode(pair.getSeed())}\n`);
    const config = `authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`;
    assertEquals(await runWith(config, directory, { nkeyFile }), "in\n");
    const missing = join(directory, "missing.nk");
    await assertRejects(
      () => runWith(config, directory, { nkeyFile: missing }),
      Error,
      `Cannot read ${missing}: no such file or directory`,
    );
  });
});

test("natsExecutor() logs in with a credentials file", async () => {
  await withTempDirectory(async (directory) => {
    const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
    const systemKey = nkeys.createAccount().getPublicKey();
    const sign = (issuer: typeof user, subject: string, name: string, nats: object) => {
      const encode = (text: string | Uint8Array) => Buffer.from(text).toString("base64url");
      const claims = { iat: 1_700_000_000, iss: issuer.getPublicKey(), sub: subject, name, nats };
      const jti = createHash("sha256").update(JSON.stringify(claims)).digest("hex");
      const head = encode(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }));
      const signed = `${head}.${encode(JSON.stringify({ jti, ...claims }))}`;
      return `${signed}.${encode(issuer.sign(Buffer.from(signed)))}`;
    };
    const none = { subs: -1, data: -1, payload: -1 };
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
    const limits = { ...none, ...storage, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };
    const [operatorKey, accountKey] = [operator.getPublicKey(), account.getPublicKey()];
    const operatorJwt = sign(operator, operatorKey, "o", { type: "operator", version: 2 });
    const accountJwt = sign(operator, accountKey, "a", { type: "account", version: 2, limits });
    const userJwt = sign(account, user.getPublicKey(), "u", { type: "user", version: 2, pub: {}, sub: {}, ...none });
    const credsFile = join(directory, "user.creds");
    const block = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n\n`;
    const seed = new TextDecoder().decode(user.getSeed());
    await writeFile(credsFile, block("NATS USER JWT", userJwt) + block("USER NKEY SEED", seed));
    const withoutStorage = { ...limits, mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
    const systemJwt = sign(operator, systemKey, "SYS", { type: "account", version: 2, limits: withoutStorage });
    const config = `operator: ${operatorJwt}
      system_account: ${systemKey}
      resolver: MEMORY
      resolver_preload: { ${accountKey}: ${accountJwt}, ${systemKey}: ${systemJwt} }`;
    assertEquals(await runWith(config, directory, { credsFile }), "in\n");
  });
});

test("natsExecutor() connects over TLS with a client certificate", async () => {
  if (lacks("openssl")) return;
  await withTempDirectory(async (directory) => {
    const file = (name: string) => join(directory, name);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
    const key = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", file(`${name}.key`)];
    openssl("req", "-x509", ...key("ca"), "-subj", "/CN=test ca", "-days", "2", "-out", file("ca.crt"));
    for (const name of ["server", "client"]) {
      await writeFile(file("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost");
      openssl("req", ...key(name), "-subj", `/CN=${name}`, "-out", file(`${name}.csr`));
      openssl(
        ...["x509", "-req", "-in", file(`${name}.csr`), "-CA", file("ca.crt"), "-CAkey", file("ca.key")],
        ...["-CAcreateserial", "-days", "2", "-extfile", file("ext"), "-out", file(`${name}.crt`)],
      );
    }
    const server = (more: string) =>
      `tls { cert_file: "${file("server.crt")}", key_file: "${file("server.key")}", ca_file: "${
        file("ca.crt")
      }" ${more} }`;
    const caFile = file("ca.crt");
    const tlsUrl = (port: number) => `tls://127.0.0.1:${port}`;
    assertEquals(await runWith(server(""), directory, { tls: { caFile } }), "in\n");
    const own = { caFile, certFile: file("client.crt"), keyFile: file("client.key") };
    assertEquals(await runWith(server(", verify: true"), directory, { tls: own }, tlsUrl), "in\n");
    const untrusted = await assertRejects(
      () => runWith(server(""), directory, {}, tlsUrl),
      Error,
      "Cannot connect to NATS",
    );
    assert(untrusted.message.length < 300, untrusted.message);
    const worker = new Worker({ nats: { servers: "tls://127.0.0.1:1" }, queues: ["q"], concurrency: 1 });
    const working = worker.run(); // waits for the server
    worker.drain();
    await working;
    await assertRejects(() => runWith("", directory, {}, tlsUrl), Error, "does not support 'tls'");
  });
});

test(
  "with examples/distributed/nats-server.conf a worker has the permissions that it needs, and no others",
  async () => {
    await withTempDirectory(async (directory) => {
      const example = await readFile(join(PROJECT, "examples", "distributed", "nats-server.conf"), "utf8");
      const other = 'other: { jetstream: enabled, users: [{ user: other, password: "third-word" }] }\n}\n';
      const path = join(directory, "server.conf");
      await writeFile(path, example.replace("store_dir: /var/lib/nats", "").replace(/}\n$/, other));
      const env = { BUILD_SUBMITTER_PASSWORD: "first-word", BUILD_WORKER_PASSWORD: "second-word" };
      const server = await startNatsServer(directory, ["-c", path], -1, env);
      const servers = server.url;
      const submitter = { servers, user: "build-submitter", password: "first-word" };
      const works = { servers, user: "build-worker", password: "second-word" };
      const stranger = { servers, user: "other", password: "third-word" };
      const workers = [works, stranger].map((nats) => new Worker({ nats, queues: ["build"], concurrency: 2 }));
      const working = workers.map((worker) => worker.run());
      const client = await connect({ servers, user: works.user, pass: works.password });
      try {
        const large = "é".repeat(1_000_000);
        const tasks = [
          { cmd: "cat", stdin: large },
          { cmd: "cat; yes | head -c 3000000 >&2", stdin: large },
          { cmd: "exit 1", retries: 1 },
        ];
        const options = { spillDir: join(directory, "spill"), keepOrder: true };
        const local = await collect(run(tasks, options));
        const remote = await collect(
          run(tasks, { ...options, executor: natsExecutor({ ...submitter, queue: "build" }) }),
        );
        const comparable = ({ outcome, stdoutBytes, stderrBytes, attempts }: TaskResult) => {
          return { outcome, stdoutBytes, stderrBytes, attempts };
        };
        assertEquals(remote.map(comparable), local.map(comparable));
        assertEquals(await readFile(remote[0]!.stdoutFile!, "utf8") === large, true);

        // A stopped run terminates its tasks, which requires that the worker may receive control messages and reply.
        const stop = new AbortController();
        const stopped = run([{ cmd: `trap ': > ${directory}/ended' TERM; : > ${directory}/begun; sleep 300 & wait` }], {
          executor: natsExecutor({ ...submitter, queue: "build" }),
          signal: stop.signal,
        });
        const first = stopped.next();
        await waitFor("the task", () => existsSync(join(directory, "begun")));

        const violations: string[] = [];
        const watched = (async () => {
          for await (const status of client.status()) if (status.type === "error") violations.push(`${status.error}`);
        })();
        const [stream] = (await listRuns(submitter)).map(({ queue, run }) => `${queue}.${run}`);
        const forbidden = [
          `taskrunner.${stream}.task.x`,
          `taskrunner.${stream}.control`,
          "$JS.API.STREAM.CREATE.x",
          "$JS.API.STREAM.DELETE.x",
          "$JS.API.STREAM.PURGE.x",
          "$JS.API.CONSUMER.CREATE.x.y",
          "$JS.API.CONSUMER.DURABLE.CREATE.x.y",
          "$JS.API.CONSUMER.DELETE.x.tasks",
          "$JS.API.CONSUMER.MSG.NEXT.x.results",
          "$JS.ACK.x.results.1.1.1.1.1",
          "_INBOX.x",
        ];
        for (const subject of forbidden) client.publish(subject, "{}");
        const unreadable = [
          "$JS.API.CONSUMER.MSG.NEXT.*.tasks",
          "$JS.ACK.>",
          "taskrunner.*.*.full",
          "taskrunner.>",
          ">",
        ];
        for (const subject of unreadable) client.subscribe(subject);
        await waitFor("the errors", () => violations.length === forbidden.length + unreadable.length);
        for (const subject of forbidden) {
          assert(violations.some((text) => text.includes(`Publish to "${subject}"`)), `${subject}: ${violations}`);
        }
        for (const subject of unreadable) {
          assert(violations.some((text) => text.includes(`Subscription to "${subject}"`)), `${subject}: ${violations}`);
        }
        assertEquals(await listRuns(stranger), []);

        // The server sends replies to any subject that a client names. A worker could use that to make the server send a
        // message that the worker recorded as a task or as a control message.
        const [before] = await listRuns(submitter);
        const names = await Array.fromAsync((await jetstreamManager(client)).streams.names());
        const ofRun = names.find((name) => name.startsWith("taskrunner_build_"))!;
        const evil = { value: { task: { cmd: `: > ${directory}/evil` }, id: "evil", number: 1 } };
        const controls = client.subscribe(`taskrunner.${stream}.control`, { max: 1 });
        const reflect = (to: string, value: unknown) => {
          const result = `taskrunner.${stream}.result.evil${to.length}`;
          client.publish(result, JSON.stringify(value));
          const last = JSON.stringify({ last_by_subj: result });
          client.publish(`$JS.API.DIRECT.GET.${ofRun}`, last, { reply: to });
        };
        reflect(`taskrunner.${stream}.task.evil`, evil);
        reflect(`$JS.API.STREAM.DELETE.${ofRun}`, {});
        reflect(`$JS.API.CONSUMER.DELETE.${ofRun}.tasks`, {});
        reflect(`$JS.API.STREAM.PURGE.${ofRun}`, {});
        reflect(`taskrunner.${stream}.control`, { killAfterMs: 0 });
        for await (const _ of controls); // the server has processed the replies
        const tasksOf = await jetstream(client).consumers.get(ofRun, "tasks");
        const { num_pending, num_ack_pending } = await tasksOf.info();
        assertEquals([num_pending, num_ack_pending], [0, 1]);
        assertEquals((await listRuns(submitter))[0]!.attempts, before!.attempts);
        assertEquals([existsSync(join(directory, "evil")), existsSync(join(directory, "ended"))], [false, false]);
        stop.abort(new Error("enough"));
        assertEquals((await first).value?.outcome, "canceled");
        await assertRejects(() => stopped.next(), Error, "enough");
        await assertRejects(
          () => collect(run(tasks, { executor: natsExecutor({ ...works, queue: "build" }) })),
          Error,
          "Permissions Violation",
        );
        await client.close();
        await watched;
      } finally {
        for (const worker of workers) worker.drain();
        await Promise.all(working);
        await client.close();
        await stopNatsServer(server);
      }
    });
  },
);
