import { type Arguments, type Flag, spelling } from "./arguments.ts";

/** The flags of the command line. */
export const FLAGS = {
  jobs: { short: "j", value: "N|N%", help: "how many tasks run at once; default: the available CPUs" },
  output: { short: "o", value: "FILE", help: "write the results to FILE, which must be new or empty" },
  resume: { help: "go on with FILE: pass over tasks, by their ids, that have a result there" },
  "resume-failed": { help: "the same, and run those again whose last outcome is not ok" },
  "keep-order": { short: "k", help: "results in the order of the tasks" },
  timeout: { value: "DUR", help: "the longest time for one attempt of a task; default: none" },
  "kill-after": { value: "DUR", help: "how long after SIGTERM what is left of a task gets SIGKILL; default: 5s" },
  retries: { value: "N", help: "extra attempts after an outcome of --retry-on; default: 0" },
  "retry-delay": {
    value: "DUR",
    help: "wait before the second attempt, doubled for each more, at most 5m; default: 0",
  },
  "retry-on": {
    value: "OUTCOME[,OUTCOME]",
    help: "retry after failed, killed, timeout, not-started, output-limit; default: the first three",
  },
  delay: { value: "DUR", help: "the shortest time between two starts; default: 0" },
  load: { value: "N|N%", help: "start nothing unless fewer than N threads want a CPU or wait for a disk" },
  memfree: { value: "SIZE", help: "start nothing unless so much memory is free" },
  halt: { value: "WHEN,WHAT=N|N%", help: "end early: now or soon, after N tasks or N% of them: fail, success or done" },
  executor: {
    value: "shell|process",
    help: "hand tasks to running shells, or start a process for each; default: shell",
  },
  shell: { value: "PATH", help: "the shell for commands given as a string; default: sh" },
  "on-invalid": { value: "abort|skip", help: "what a line does that is no task; default: abort" },
  "max-inline": { value: "SIZE", help: "how much of each output stands in the result; default: 1M" },
  "spill-dir": { value: "DIR", help: "where larger output goes; default: FILE.output or a temporary directory" },
  "max-output": { value: "SIZE", help: "end a task that prints more to one of its outputs, or none; default: 1G" },
  nats: { value: "URL", help: "run the tasks on other machines, by this server; default: NATS_URL" },
  queue: {
    value: "NAME",
    help: "with --nats: which workers run them; worker: what it takes tasks from, also A,B",
  },
  "ack-wait": {
    value: "DUR",
    help: "with --nats: how long a worker may give no sign of life; default: 30s",
  },
  "nats-replicas": { value: "N", help: "how many servers of a cluster hold tasks and results; default: 1" },
  "nats-context": { value: "NAME", help: "connect as this context of the nats command says; default: NATS_CONTEXT" },
  "nats-creds": { value: "FILE", help: "the credentials of a user; default: NATS_CREDS" },
  "nats-nkey": { value: "FILE", help: "the seed of an nkey; default: NATS_NKEY" },
  "nats-inbox-prefix": {
    value: "NAME",
    help: "what the subjects begin with that answers are sent to; default: _INBOX",
  },
  "js-domain": { value: "NAME", help: "the JetStream domain of the server that keeps the messages" },
  "tls-ca": { value: "FILE", help: "the certificates that the server's is signed by; default: NATS_CA" },
  "tls-cert": { value: "FILE", help: "the own certificate; default: NATS_CERT" },
  "tls-key": { value: "FILE", help: "its key; default: NATS_KEY" },
  "tls-first": { help: "TLS comes before the server says anything" },
  "max-reruns": { value: "N", help: "worker: how often a task is begun again when workers are lost; default: 3" },
  progress: { help: "show on standard error how far it is; default: when that is a terminal" },
  "no-progress": { help: "do not show it" },
  watch: { value: "PORT", help: "say an address of this machine at which a browser shows the run; 0: any free port" },
  quiet: { short: "q", help: "no summary at the end" },
  "dry-run": { help: "check every line, run nothing" },
  null: { short: "0", help: "each: a value ends with a NUL, as from find -print0" },
  print: { help: "each: write the tasks instead of running them" },
  port: { value: "PORT", help: "watch: the port of that address; default: any that is free" },
  json: { help: "stats: write one line of JSON" },
  help: { short: "h", help: "show this" },
  version: { help: "show the version" },
} as const satisfies Record<string, Flag>;

/** The flags of the command line, by their long names. */
export type Flags = Arguments<typeof FLAGS>["flags"];

/** The text of `--help`. */
export function helpText(): string {
  const rows = Object.entries(FLAGS).map(([name, flag]) => [spelling(name, flag), flag.help] as const);
  const width = Math.max(...rows.map(([spelling]) => spelling.length));
  return `Runs shell tasks from JSON Lines in a bounded pool of processes; writes one JSON line per task.

Usage: taskrunner [run] [TASKS.jsonl | -] [flags]
       taskrunner each COMMAND [flags] [::: VALUE...]
       taskrunner worker --nats URL --queue NAME [-j N]
       taskrunner runs ls | show QUEUE/RUN | rm QUEUE/RUN
       taskrunner stats RESULTS.jsonl [--json]
       taskrunner trace RESULTS.jsonl [-o trace.json]
       taskrunner report RESULTS.jsonl [-o report.html]
       taskrunner watch RESULTS.jsonl [--port PORT]

${rows.map(([spelling, help]) => `  ${spelling.padEnd(width)}  ${help}`).join("\n")}

A task is a line such as {"cmd":"echo hi"} or {"id":"x","cmd":["gzip","-k","a b.txt"],"cwd":"/tmp"}; its fields are
cmd, id, cwd, env, stdin, stdinFile, stdinEncoding, timeoutMs, retries and meta. Without a file, tasks are read from
standard input.
With each, every VALUE or line of standard input becomes a task and its id: {} in COMMAND is the value, {.} without its
extension, {/} without its directory, {/.} without both, {//} the directory, {#} the number of the task.
SIZE: bytes, or a number with k, m, g, t, p (powers of 1000) or K, M, G, T, P (of 1024). DUR: 500ms, 30s, 1m30s, or a
number of seconds.

Exit status: 0 all tasks ok; 1-100 that many were not; 101 more; 129, 130, 131 or 143 stopped by SIGHUP, SIGINT,
SIGQUIT or SIGTERM; 141 nobody reads the results; 255 wrong usage, bad input or an I/O error.
With --halt: for N%, 1-100 is the percentage of tasks that were not ok, rounded up; for N = 1, the status of the task
that ended the run; 0 when success=N or success=N% was reached.
`;
}
