import type { FlagGroups, Flags } from "./args/flag.ts";
import { LOGIN_FLAGS } from "./args/nats_flags.ts";

/** A topic of `taskrunner help`. */
export interface Topic {
  /** The argument of `taskrunner help`. */
  readonly name: string;
  /** The subject, without the period. */
  readonly summary: string;
  /** Paragraphs, and tables of two columns. */
  readonly sections: readonly (string | readonly (readonly [left: string, right: string])[])[];
  /** The flags that only the topic lists. */
  readonly flags?: FlagGroups;
}

/** The topics of `taskrunner help`, which hold for several commands. */
export const TOPICS: readonly Topic[] = [
  {
    name: "tasks",
    summary: "Tasks are lines of JSON",
    sections: [
      `Each line of TASKS.jsonl is a task, such as {"cmd":"echo hi"}. Its fields:`,
      [
        ["cmd", "a shell command, or an array of a program and its arguments, which no shell parses (required)"],
        [
          "id",
          "string or number that names the task in its result, and that --resume needs (default: the number of the line)",
        ],
        ["cwd", "working directory"],
        ["env", "object of environment variables to add"],
        ["stdin", "text for standard input"],
        ["stdinFile", "path of a file for standard input"],
        ["stdinEncoding", '"base64" if stdin is base64'],
        ["timeoutMs", "time limit of an attempt in milliseconds, instead of --timeout"],
        ["retries", "number of retries, instead of --retries"],
        ["after", "id of a task, or array of ids, whose results the task waits for"],
        ["runIf", 'outcomes of these with which the task runs: "ok" (default), "failed" or "done"'],
        ["priority", "integer: of the tasks that could start, the highest starts first (default: 0)"],
        ["uses", 'units of resources that the task occupies, such as {"gpu":1}'],
        ["slots", "number of slots that the task occupies (default: 1)"],
        ["meta", "any JSON value, copied to the result"],
      ],
      "A task whose after has other outcomes does not run, and has the outcome skipped. A prerequisite that no task has, and " +
      "tasks that wait for each other, are errors before anything runs; in a stream, such tasks are skipped.",
      "Each task has one result, a line of JSON with id, outcome, status or signal, stdout, stderr and times.",
    ],
  },
  {
    name: "placeholders",
    summary: "Placeholders in COMMAND of taskrunner each",
    sections: [
      "each replaces these placeholders, here with the value photos/a b.tar.gz:",
      [
        ["{}", "the value: photos/a b.tar.gz"],
        ["{.}", "without its extension: photos/a b.tar"],
        ["{..}", "without two extensions, and {...} without three: photos/a b"],
        ["{/}", "without its directory: a b.tar.gz"],
        ["{//}", "its directory: photos"],
        ["{/.}", "without directory and extension, also {/..} and {/...}: a b.tar"],
        ["{+/}", "its directory, or nothing: photos"],
        ["{+.}", "its extension, also {+..} and {+...}: gz"],
        ["{1}", "the first of several values, also {1.}, {1/}: photos/a b.tar.gz"],
        ["{-1}", "the last of several values, also {-1.}, {-1/}: photos/a b.tar.gz"],
        ["{NAME}", "the column that --header names, also {NAME.}, {NAME/}"],
        ["{#}", "the number of the task: 1"],
        ["{0#}", "the number with zeros before it: 1"],
        ["{##}", "the number of all tasks: 1"],
        ["{%}", "the slot of the task: 1"],
      ],
      "COMMAND is a shell command, or several words: a program and its arguments, which no shell parses. In a shell " +
      "command each value is quoted, also within quotes, so that the shell never runs a part of a value. A COMMAND " +
      "without placeholders gets the value as its last argument.",
      "A placeholder of a missing value, such as {3}, is an error, and so is {= PERL =}. Other text in braces stays as it " +
      "is, also {NAME} without --header. -I REPL makes REPL the only placeholder.",
      "To run each line of a file as a command: taskrunner each sh -c < commands.txt",
      "Several ::: VALUE... give all combinations, the last source fastest. :::+ links its values to those before it. " +
      ":::: and ::::+ read the values from files. In a task with several values, {} stands for all values.",
      "The id of a task is its value; with several values, all values, quoted as for a shell. A byte that is not UTF-8 is " +
      "written as in $'\\351'. With -o, the second task with the same id gets (2) after its id. Ids do not depend on the " +
      "order of different values, so that --resume finds the results.",
    ],
  },
  {
    name: "exit-status",
    summary: "Exit statuses of run and each",
    sections: [
      [
        ["0", "no task failed, or none was left to resume"],
        ["1-100", "the number of tasks that failed"],
        ["101", "more than 100 tasks failed"],
        ["129", "stopped by SIGHUP"],
        ["130", "stopped by SIGINT"],
        ["131", "stopped by SIGQUIT"],
        ["143", "stopped by SIGTERM"],
        ["141", "standard output was closed, as by head"],
        ["255", "wrong usage, invalid input or an I/O error"],
      ],
      "Skipped tasks do not count. If a task of a stream was skipped because a prerequisite is missing or in a cycle, the " +
      "status is 255.",
      "With --halt:",
      [
        ["0", "success=N or success=N% was reached"],
        ["1-100", "for any other N%: the percentage of tasks that failed, rounded up"],
        ["1-255", "for any other N = 1: the status of the task that ended the run"],
      ],
      "Other commands exit with 0, or with 255 after an error. A signal ends worker and watch with the statuses above, but " +
      "the first signal lets worker finish its tasks, with 0.",
    ],
  },
  {
    name: "nats",
    summary: "Tasks on other machines, through a NATS server",
    sections: [
      "taskrunner worker takes tasks from queues of a NATS server with JetStream. run and each send their tasks there with " +
      "--nats URL --queue NAME, and write the results as usual. taskrunner runs lists what is on the server.",
      "The first SIGINT or SIGTERM lets the running tasks of a worker finish. The second kills them, and other workers run " +
      "them again.",
      "Secrets come from files, or from the variables NATS_USER and NATS_PASSWORD or NATS_TOKEN, because every user of the " +
      "machine can read the arguments of a process.",
    ],
    flags: { "Flags of run, each, worker and runs": LOGIN_FLAGS as Flags },
  },
];
