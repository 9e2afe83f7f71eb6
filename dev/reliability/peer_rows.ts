/** The tests of `peers.ts`: equivalent commands for each tool, and the verdict on their results. @module */

import type { TaskResult } from "../../mod.ts";

/** The tools under test. */
export type Tool = "xargs" | "parallel" | "taskrunner";

/** A test of all tools. */
export interface Row {
  title: string;
  /** Executable files to create first. */
  files?: Record<string, string | Uint8Array>;
  /**
   * Bash script for each tool, run in a temporary directory, with `$TASKRUNNER`; `none` if the tool has no equivalent.
   */
  scripts: Record<Tool, string | { none: string }>;
  verdict: (tried: Tried) => string | Promise<string>;
}

/** The result of a script. Text has one character per byte. */
export interface Tried {
  tool: Tool;
  status: number;
  seconds: number;
  /** The output of the tasks, extracted from JSON if necessary. */
  stdout: string;
  stderr: string;
  /** Standard error of the tool itself. */
  messages: string;
  results: TaskResult[];
  file: (name: string) => Promise<string>;
  exists: (name: string) => Promise<boolean>;
}

/** The beginning of each script. `limit_memory BYTES` limits all processes started after it. */
export const PRELUDE = `
set -u
mount -t tmpfs tmpfs /dev/shm
mkdir tmp; export TMPDIR=$PWD/tmp
limit_memory() {
  local group=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
  [ -d $group ] || group=/sys/fs/cgroup limit=memory.max
  mkdir "$group/\${PWD##*/}" && group=$group/\${PWD##*/} && echo "$1" > "$group/$limit" && echo $$ > "$group/cgroup.procs"
}
wait_for() { until eval "$1"; do sleep 0.02; done; }
wait_for_the_end_of_all() { for i in $(seq 100); do [ "$(pgrep -vxc bash)" = 0 ] && break; sleep 0.1; done; }
`;

const yes = "yes";
const no = (what: string) => `no: ${what}`;
const lines = (text: string) => text.split("\n").slice(0, -1);
const quoted = (text: string) => {
  const start = text.slice(0, 40).replace(/[^ -~]/g, "?").replaceAll("|", "\\|").replaceAll("`", "'");
  return `\`${start}${text.length > 40 ? "…" : ""}\``;
};
/** Returns the first message of a tool, truncated. */
const firstMessage = ({ messages }: Tried) => quoted(lines(messages)[0] ?? "");

/** Returns a verdict that requires exactly this output and an expected exit status. */
function printed(expected: string, { statuses = [0] } = {}) {
  return (tried: Tried) => {
    if (tried.stdout !== expected) {
      return no(tried.stdout === "" ? `nothing, ${firstMessage(tried)}` : `printed ${quoted(tried.stdout)}`);
    }
    return statuses.includes(tried.status) ? yes : no(`status ${tried.status}`);
  };
}

/** Returns a row that prints each of several NUL-terminated values in angle brackets. */
function valueRow(title: string, values: string[]): Row {
  const bytes = values.map((value) => `${value}\0`).join("");
  return {
    title,
    files: { values: Uint8Array.from(bytes, (character) => character.charCodeAt(0)) },
    scripts: {
      xargs: "xargs -0 -n1 printf '<%s>' < values",
      parallel: "parallel -0 -k printf '\"<%s>\"' {} < values",
      taskrunner: `$TASKRUNNER each -0 -k "printf '<%s>' {}" < values`,
    },
    verdict: printed(values.map((value) => `<${value}>`).join("")),
  };
}

const bytes = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
const allBytes = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join("");
const RECORD = `My brother's 12" *** record  (costs $$$).jpg`;
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}`);
const jobsFile = (tasks: unknown[]) => tasks.map((task) => JSON.stringify(task) + "\n").join("");

const MIXED = `#!/bin/sh
p() { head -c 100000 /dev/zero | tr '\\0' $1; }
p a; printf ' '; { p b; printf ' '; } >&2; p c; printf ' '; { p d; printf ' '; } >&2; p e; { p f; } >&2; echo; echo >&2
`;

/** All rows, in the order of docs/reliability.md. */
export const ROWS: Row[] = [
  {
    title: "30 concurrent tasks print 0.3 MB to each output: no split or mixed lines",
    files: { mycommand: MIXED },
    scripts: {
      xargs: "seq 30 | xargs -P30 -n1 ./mycommand",
      parallel: "seq 30 | parallel -j30 ./mycommand",
      taskrunner: "seq 30 | $TASKRUNNER each -j30 './mycommand {}'",
    },
    verdict({ stdout, stderr }) {
      const wrong = (text: string, whole: string) =>
        30 - lines(text.replace(/(.)\1+/g, "$1")).filter((line) => line === whole).length;
      const [out, err] = [wrong(stdout, "a c e"), wrong(stderr, "b d f")];
      return out + err === 0 ? yes : no(`${out} of 30 lines mixed, ${err} on stderr`);
    },
  },
  {
    title: "stderr separate from stdout",
    files: { mycommand: "#!/bin/sh\necho stdout; echo stderr >&2; echo stdout; echo stderr >&2\n" },
    scripts: {
      xargs: "echo 1 | xargs -P1 -n1 ./mycommand",
      parallel: "echo 1 | parallel -j1 ./mycommand",
      taskrunner: "echo 1 | $TASKRUNNER each -j1 './mycommand {}'",
    },
    verdict: ({ stdout, stderr }) =>
      stdout === "stdout\n".repeat(2) && stderr === "stderr\n".repeat(2) ? yes : no("merged"),
  },
  {
    title: "attribution of both outputs to tasks",
    scripts: {
      xargs: { none: "no: not supported" },
      parallel: "printf 'a\\nb\\n' | parallel --tag 'echo out; echo err >&2; : {}'",
      taskrunner: "printf 'a\\nb\\n' | $TASKRUNNER each -k 'echo out; echo err >&2; : {}'",
    },
    verdict({ tool, results, stdout, messages }) {
      const labeled = tool === "taskrunner"
        ? results.map(({ id, stdout, stderr }) => `${id}\t${stdout}${id}\t${stderr}`).join("")
        : stdout + messages;
      return lines(labeled).sort().join() === "a\terr,a\tout,b\terr,b\tout" ? yes : no(quoted(labeled));
    },
  },
  {
    title: "outputs in input order",
    scripts: {
      xargs: "printf '0.6\\n0.3\\n0\\n' | xargs -P3 -n1 sh -c 'sleep $0; echo $0'",
      parallel: "printf '0.6\\n0.3\\n0\\n' | parallel -k -j3 'sleep {}; echo {}'",
      taskrunner: "printf '0.6\\n0.3\\n0\\n' | $TASKRUNNER each -k -j3 'sleep {}; echo {}'",
    },
    verdict: printed("0.6\n0.3\n0\n"),
  },
  {
    title: "1.5 GB of output with 300 MB of memory, 3 concurrent tasks",
    scripts: {
      xargs:
        "limit_memory 300M; seq 3 | xargs -P3 -n1 sh -c 'yes cccccccccccccccccccccccccccccc | head -c 500000000' | wc -c",
      parallel:
        "limit_memory 300M; seq 3 | parallel -j3 'yes cccccccccccccccccccccccccccccc | head -c 500000000; : {}' | wc -c",
      taskrunner: `limit_memory 300M; seq 3 |
        $TASKRUNNER each -j3 'yes cccccccccccccccccccccccccccccc | head -c 500000000; : {}' | jq -r .stdoutFile |
        tr '\\n' '\\0' | xargs -0 cat | wc -c`,
    },
    verdict: (tried) =>
      tried.stdout.trim() === "1500000000" ? yes : no(`${tried.stdout.trim()} bytes, status ${tried.status}`),
  },
  {
    title: "an output with a line of 4.3 GB, temporary files in a tmpfs",
    scripts: {
      xargs: "echo 1 | xargs -n1 sh -c 'head -c 4300000000 /dev/zero | tr \"\\0\" x' | wc -c",
      parallel: "echo 1 | TMPDIR=/dev/shm parallel 'head -c 4300000000 /dev/zero | tr \"\\\\0\" x; : {}' | wc -c",
      taskrunner:
        `echo 1 | $TASKRUNNER each --max-output 5G --spill-dir /dev/shm/more 'head -c 4300000000 /dev/zero | tr "\\0" x; : {}' |
        jq -r .stdoutFile | tr '\\n' '\\0' | xargs -0 cat | wc -c`,
    },
    verdict: (tried) =>
      tried.stdout.trim() === "4300000000" ? yes : no(`${tried.stdout.trim()} bytes, ${firstMessage(tried)}`),
  },
  {
    title: "all 256 byte values unchanged in an output",
    files: { all: Uint8Array.from({ length: 256 }, (_, index) => index) },
    scripts: {
      xargs: "echo all | xargs -n1 cat",
      parallel: "echo all | parallel cat",
      taskrunner: "echo all | $TASKRUNNER each 'cat {}'",
    },
    verdict: printed("\0" + allBytes),
  },
  {
    title: "a valid JSON record per task, for any output",
    files: { all: Uint8Array.from({ length: 256 }, (_, index) => index) },
    scripts: {
      xargs: { none: "no: no records" },
      parallel: "echo all | parallel --results out.json cat > /dev/null; mv out.json record",
      taskrunner: "echo all | $TASKRUNNER each 'cat {}' > record",
    },
    async verdict({ file }) {
      try {
        const text = new TextDecoder("utf-8", { fatal: true })
          .decode(Uint8Array.from(await file("record"), (character) => character.charCodeAt(0)));
        JSON.parse(text);
        return yes;
      } catch (error) {
        return no(error instanceof SyntaxError ? "not JSON" : "not UTF-8");
      }
    },
  },
  {
    title: "30 outputs of 10 MB with lines of 1,000 words",
    files: { mycommand: '#!/bin/sh\nyes "$(seq -s " " 1000)" | head -c 10000000\n' },
    scripts: {
      xargs: "seq 30 | xargs -P4 -n1 ./mycommand | wc -c",
      parallel: "seq 30 | parallel -j4 ./mycommand | wc -c",
      taskrunner:
        `seq 30 | $TASKRUNNER each -j4 './mycommand {}' | jq -r .stdoutFile | tr '\\n' '\\0' | xargs -0 cat | wc -c`,
    },
    verdict: ({ stdout, seconds }) =>
      stdout.trim() === "300000000" ? `yes, ${seconds.toFixed(1)} s` : no(quoted(stdout)),
  },
  {
    title: "the disk for temporary files is full for 3 s: reported",
    files: {
      mycommand: `#!/bin/sh
# After 1 MB, fills the disk for 3 s.
head -c 1000000 /dev/zero | tr '\\0' X
cat /dev/zero > $TMPDIR/fill 2>/dev/null
head -c 1000000 /dev/zero | tr '\\0' X
echo This part is missing
sleep 3
rm $TMPDIR/fill
echo Final output
`,
    },
    scripts: Object.fromEntries(
      (Object.entries({
        xargs: "echo 1 | xargs -n1 ./mycommand 2>/dev/null",
        parallel: "echo 1 | parallel ./mycommand",
        taskrunner: "echo 1 | $TASKRUNNER each --spill-dir . './mycommand {}'",
      })).map(([tool, script]) => [tool, `mount -t tmpfs -o size=8M tmpfs tmp; mount --bind tmp /dev/shm; ${script}`]),
    ) as Row["scripts"],
    verdict(tried) {
      if (/This part is missing\nFinal/.test(tried.stdout) || tried.results[0]?.stdoutBytes! > 2_000_000) {
        return "yes: nothing is buffered";
      }
      const { status, tool, results: [result] } = tried;
      if (status === 0) return no("incomplete, status 0");
      return tool === "taskrunner"
        ? `yes: \`${result!.outcome}\`, \`${result!.error}\``
        : `yes: ${firstMessage(tried)}`;
    },
  },
  {
    title: "the disk for the results is full: reported",
    scripts: {
      xargs: "seq 3 | xargs -n1 printf '%01000d\\n' > /dev/full",
      parallel: "seq 3 | parallel printf '%01000d\\\\n' > /dev/full",
      taskrunner: `seq 3 | $TASKRUNNER each "printf '%01000d\\n' {}" > /dev/full`,
    },
    verdict: (tried) => tried.status === 0 ? no(`status 0, ${firstMessage(tried)}`) : `yes: ${firstMessage(tried)}`,
  },
  {
    title: "`kill -9`: no temporary files left",
    scripts: withEach({
      xargs: "xargs -P2 -n1 sh -c 'echo out; touch started$0; sleep 1; echo out' < values > /dev/null & tool=$!",
      parallel: "parallel -j2 'echo out; touch started{}; sleep 1; echo out' < values > /dev/null & tool=$!",
      taskrunner: "$TASKRUNNER each -j2 'echo out; touch started{}; sleep 1; echo out' < values > /dev/null & tool=$!",
    }, (script) =>
      `seq 9 > values; ${script}; wait_for '[ -e started1 -a -e started2 ]'; kill -9 $tool
       find tmp /dev/shm -mindepth 1 | wc -l; wait_for_the_end_of_all
       find tmp /dev/shm -mindepth 1 | wc -l; pgrep -vxc bash; ls started* | wc -l`),
    verdict({ stdout }) {
      const [before, after, processes, started] = lines(stdout).map(Number);
      if (after! > 0 || processes! > 0) return no(`${after} files, ${processes} processes`);
      if (started !== 2) return no(`${started} tasks were started`);
      return before === 0 ? yes : `yes, after its tasks have ended (${before} before)`;
    },
  },
  {
    title: "`kill -9` during 100 tasks, then resumed",
    scripts: withEach(
      {
        xargs: { none: "no: not supported" },
        parallel: "parallel -j2 --joblog log --resume 'echo {} >> ran; sleep 0.02' < values > /dev/null",
        taskrunner: "$TASKRUNNER each -j2 -o results --resume 'echo {} >> ran; sleep 0.02' < values",
      },
      (script) =>
        `seq 100 > values; ${script} & tool=$!; wait_for '[ $(cat ran 2>/dev/null | wc -l) -ge 40 ]'; kill -9 $tool
       wait_for_the_end_of_all; ${script}; sort -u ran | wc -l; wc -l < ran`,
    ),
    verdict({ stdout }) {
      const [each, all] = lines(stdout).map(Number);
      if (each !== 100) return no(`${100 - each!} tasks never ran`);
      return all! <= 104 ? `yes, ${all! - 100} ran twice` : no(`${all! - 100} ran twice`);
    },
  },
  {
    title: "SIGTERM (twice for GNU parallel, as in its manual): tasks and their children end",
    scripts: withEach(
      {
        xargs: "xargs -P2 -n1 sh -c 'sleep 300 & touch started$0; wait' < values & tool=$!",
        parallel:
          "parallel -j2 'sleep 300 & touch started{}; wait' < values & tool=$!; again='sleep 1; kill -TERM $tool'",
        taskrunner: "$TASKRUNNER each -j2 'sleep 300 & touch started{}; wait' < values > /dev/null & tool=$!",
      },
      (script) =>
        `seq 2 > values; again=; ${script}; wait_for '[ -e started1 -a -e started2 ]'; kill -TERM $tool; eval "$again"
       wait $tool; sleep 0.5; pgrep -c -x sleep > left; true`,
    ),
    verdict: async ({ file }) =>
      (await file("left")) === "0\n" ? yes : no(`${(await file("left")).trim()} processes left`),
  },
  {
    title: "a file named `" + RECORD.replaceAll("*", "\\*") + "`, as a line of input, without flags",
    files: { [RECORD]: "music" },
    scripts: {
      xargs: "ls My*jpg | xargs cat",
      parallel: "ls My*jpg | parallel cat",
      taskrunner: "ls My*jpg | $TASKRUNNER each cat",
    },
    verdict: printed("music"),
  },
  {
    title: "the same file with the flag for lines (`-d '\\n'`)",
    files: { [RECORD]: "music" },
    scripts: {
      xargs: "ls My*jpg | xargs -d '\\n' cat",
      parallel: "ls My*jpg | parallel cat",
      taskrunner: "ls My*jpg | $TASKRUNNER each cat",
    },
    verdict: printed("music"),
  },
  valueRow("values with quotes, spaces, backslashes, `$`, `;`, `` ` ``", [
    `a  b`,
    `'`,
    `"`,
    `it's "5\\"`,
    "$HOME",
    "`id`",
    "a;b&c",
    " \t ",
  ]),
  valueRow("values such as `*`, `?`, `[a-z]`, `~`, `{a,b}`, `!`, `#`", [
    "*",
    "?",
    "[a-z]*",
    "~",
    "{a,b}",
    "!x",
    "#",
    "{}",
    "{.}",
  ]),
  valueRow("values with newlines", ["a\nb", "\n", "a\n\n"]),
  valueRow("values that start with `-`", ["-n", "--", "-", "--help"]),
  valueRow("an empty value", ["a", "", "b"]),
  valueRow("values in UTF-8", ["é", "日本語", "😀", "e\u0301"].map(bytes)),
  valueRow("values that are not UTF-8", ["\xff", "a\xc3", "\xed\xa0\x80"]),
  valueRow("a value with all bytes from 1 to 127", [allBytes.slice(0, 127)]),
  valueRow("a value with all bytes from 1 to 255", [allBytes]),
  {
    title: 'a value within quotes of the command (`echo "it is {}"`) is not executed',
    files: { values: '$(touch oops)\n"; touch oops; "\na b\n' },
    scripts: {
      xargs: `xargs -d '\\n' -I{} sh -c 'echo "it is {}"' < values; ls oops 2>/dev/null`,
      parallel: `parallel -k 'echo "it is {}"' < values; ls oops 2>/dev/null`,
      taskrunner: `$TASKRUNNER each -k 'echo "it is {}"' < values; ls oops >&2 2>/dev/null || :`,
    },
    verdict({ stdout, messages }) {
      if (/^oops/m.test(stdout + messages)) return no("ran a command");
      return stdout === 'it is $(touch oops)\nit is "; touch oops; "\nit is a b\n'
        ? yes
        : no(`printed ${quoted(stdout)}`);
    },
  },
  {
    title: "commands as input: quotes, pipes, newlines, here-documents",
    files: {
      commands:
        `echo 'a  "b"' | tr a A\0for i in 1 2\ndo echo $i\ndone\0cat <<E\nx $((1+1))\nE\0echo "é" > 'ü *'; cat ü*\0`,
      tasks: jobsFile([
        { cmd: `echo 'a  "b"' | tr a A` },
        { cmd: `for i in 1 2\ndo echo $i\ndone` },
        { cmd: `cat <<E\nx $((1+1))\nE` },
        { cmd: `echo "é" > 'ü *'; cat ü*` },
      ]),
    },
    scripts: {
      xargs: "xargs -0 -n1 sh -c < commands",
      parallel: "parallel -0 -k < commands",
      taskrunner: "$TASKRUNNER -k tasks",
    },
    verdict: printed(bytes(`A  "b"\n1\n2\nx 2\né\n`)),
  },
  {
    title: "compound commands: `echo foo; echo {} | tr a-z A-Z`",
    scripts: {
      xargs: "echo bar | xargs echo foo';' echo",
      parallel: "echo bar | parallel 'echo foo; echo {} | tr a-z A-Z'",
      taskrunner: "echo bar | $TASKRUNNER each 'echo foo; echo {} | tr a-z A-Z'",
    },
    verdict: (tried) =>
      tried.tool === "xargs" && tried.stdout !== "foo\nBAR\n" ? "only with `sh -c`" : printed("foo\nBAR\n")(tried),
  },
  {
    title: "the value twice in a command",
    scripts: {
      xargs: "echo bar | xargs -I{} echo {} foo {}",
      parallel: "echo bar | parallel echo {} foo {}",
      taskrunner: "echo bar | $TASKRUNNER each 'echo {} foo {}'",
    },
    verdict: printed("bar foo bar\n"),
  },
  {
    title: "a value of 131,000 characters",
    scripts: {
      xargs: "head -c 131000 /dev/zero | tr '\\0' x | xargs -n1 sh -c 'echo $0' | wc -c",
      parallel: "head -c 131000 /dev/zero | tr '\\0' x | parallel echo {} | wc -c",
      taskrunner:
        "head -c 131000 /dev/zero | tr '\\0' x | $TASKRUNNER each 'echo {}' | jq -r .stdout | head -n1 | wc -c",
    },
    verdict: (tried) => tried.stdout.trim() === "131001" ? yes : no(`${firstMessage(tried)}`),
  },
  {
    title: "a value of 1,000,000 characters",
    scripts: {
      xargs: "head -c 1000000 /dev/zero | tr '\\0' x | xargs -n1 sh -c 'echo $0' | wc -c",
      parallel: "head -c 1000000 /dev/zero | tr '\\0' x | parallel echo {} | wc -c",
      taskrunner:
        "head -c 1000000 /dev/zero | tr '\\0' x | $TASKRUNNER each 'echo {}' | jq -r .stdout | head -n1 | wc -c",
    },
    verdict: (tried) => tried.stdout.trim() === "1000001" ? yes : no(`${firstMessage(tried)}`),
  },
  {
    title: "a value of 100 MB with a short `{.}`",
    scripts: {
      xargs: { none: "no: no `{.}`" },
      parallel: "{ printf foo.; head -c 100000000 /dev/zero | tr '\\0' x; } | parallel echo {.}",
      taskrunner: "{ printf foo.; head -c 100000000 /dev/zero | tr '\\0' x; } | $TASKRUNNER each 'echo {.}'",
    },
    verdict: (tried) => tried.stdout === "foo\n" ? yes : no(firstMessage(tried)),
  },
  {
    title: "a line of 4.3 GB between two valid lines, with 2 GB of memory: reported, and the valid lines run",
    scripts: withEach({
      xargs: "xargs -d '\\n' -n1 echo",
      parallel: "parallel -k echo",
      taskrunner: "$TASKRUNNER each -k --on-invalid skip 'echo {}'",
    }, (script) => `limit_memory 2G; { echo a; head -c 4300000000 /dev/zero | tr '\\0' x; echo; echo b; } | ${script}`),
    verdict: (tried) =>
      tried.stdout === "a\nb\n" && tried.status !== 0
        ? `yes, ${tried.seconds.toFixed(0)} s: ${firstMessage(tried)}`
        : no(`printed ${quoted(tried.stdout)}, status ${tried.status}, ${firstMessage(tried)}`),
  },
  {
    title: "1,000 arguments",
    files: { tasks: jobsFile([{ cmd: ["printf", "%s,", ...numbers(1000)] }]) },
    scripts: {
      xargs: "seq 1000 | xargs -n1000 printf '%s,'",
      parallel: "seq 1000 | parallel -n1000 printf '%s,'",
      taskrunner: "$TASKRUNNER tasks",
    },
    verdict: printed(numbers(1000).map((number) => `${number},`).join("")),
  },
  {
    title: "as many input lines per command line as fit",
    scripts: {
      xargs: "seq 100000 | xargs echo | wc -l",
      parallel: "seq 100000 | parallel -m echo | wc -l",
      taskrunner: { none: "no: one task per line" },
    },
    verdict: ({ stdout }) => Number(stdout) < 50 ? yes : no(stdout),
  },
  {
    title: "a task starts before the input ends",
    scripts: withEach(
      {
        xargs: "xargs -P2 -n1 touch",
        parallel: "parallel -j2 touch",
        taskrunner: "$TASKRUNNER each -j2 touch",
      },
      (script) =>
        `{ echo first; for i in $(seq 100); do [ -e first ] && break; sleep 0.1; done; [ -e first ] && echo second; } | ${script}`,
    ),
    verdict: async ({ exists, status }) =>
      status === 0 && await exists("first") ? yes : no("waits for the end of the input"),
  },
  {
    title: "a result is available before the input ends",
    scripts: withEach(
      {
        xargs: "xargs -P2 -n1 echo",
        parallel: "parallel -j2 echo",
        taskrunner: "$TASKRUNNER each -j2 echo",
      },
      (script) =>
        `{ echo first; for i in $(seq 60); do [ -s out ] && break; sleep 0.1; done; [ -s out ] && touch early; echo second; } |
       ${script} > out; ls early`,
    ),
    verdict: ({ status }) => status === 0 ? yes : no("only after another task or the input has ended"),
  },
  {
    title: "a task that reads standard input takes no input of other tasks",
    scripts: {
      xargs: "seq 3 | xargs -n1 sh -c 'cat; echo $0'",
      parallel: "seq 3 | parallel -k 'cat; echo {}'",
      taskrunner: "seq 3 | $TASKRUNNER each -k 'cat; echo {}'",
    },
    verdict: printed("1\n2\n3\n"),
  },
  {
    title: "one of three tasks fails: the others run, and the exit status is not 0",
    scripts: failing("[ $v != b ] || exit 3; "),
    verdict: othersRan,
  },
  {
    title: "one of three tasks exits with 255",
    scripts: failing("[ $v != b ] || exit 255; "),
    verdict: othersRan,
  },
  {
    title: "one of three tasks is killed by a signal",
    scripts: failing("[ $v != b ] || kill -9 $$; "),
    verdict: othersRan,
  },
  {
    title: "one of three tasks kills its parent",
    scripts: failing("[ $v != b ] || kill -9 $PPID; "),
    verdict: othersRan,
  },
  {
    title: "one of three programs does not exist",
    files: {
      commands: "./a\0./b\0./c\0",
      a: "#!/bin/sh\ntouch ran.a",
      c: "#!/bin/sh\ntouch ran.c",
      tasks: jobsFile([{ cmd: ["./a"] }, { cmd: ["./b"] }, { cmd: ["./c"] }]),
    },
    scripts: {
      xargs: "xargs -0 -P1 -n1 sh -c < commands",
      parallel: "parallel -0 -j1 < commands",
      taskrunner: "$TASKRUNNER -j1 tasks",
    },
    verdict: othersRan,
  },
  {
    title: "exit status or signal and duration of each task",
    scripts: {
      xargs: { none: "no: no record" },
      parallel: "parallel --joblog log ::: 'exit 3' 'kill -9 $$' true; cut -f 4,7,8 log | tail -n 3 | sort",
      taskrunner: `$TASKRUNNER each 'sh -c {}' ::: 'exit 3' 'kill -9 $$' true |
        jq -r '"\\(.durationMs / 1000)\\t\\(if .signal then 0 else .status end)\\t\\(if .signal == "SIGKILL" then 9 else 0 end)"'`,
    },
    verdict: ({ stdout }) =>
      lines(stdout).map((line) => line.replace(/^ *[\d.]+\t/, "")).sort().join() === "0\t0,0\t9,3\t0"
        ? yes
        : no(quoted(stdout)),
  },
  {
    title: "a timeout ends a task and its children",
    scripts: withEach({
      xargs: "echo 1 | xargs -n1 timeout 0.5 sh -c 'sleep 300 & wait'",
      parallel: "echo 1 | parallel --timeout 0.5 'sleep 300 & : {}; wait'",
      taskrunner: "echo 1 | $TASKRUNNER each --timeout 0.5 'sleep 300 & : {}; wait'",
    }, (script) => `${script}; pgrep -c -x sleep > left; true`),
    verdict: async ({ file, seconds }) =>
      await file("left") === "0\n" && seconds < 200 ? yes : no(`${(await file("left")).trim()} left`),
  },
  {
    title: "a background process keeps the output of a task open: the task still ends",
    scripts: withEach({
      xargs: "echo 1 | xargs -n1 sh -c 'sleep 60 & echo hi'",
      parallel: "echo 1 | parallel 'sleep 60 & echo hi; : {}'",
      taskrunner: "echo 1 | $TASKRUNNER each 'sleep 60 & echo hi; : {}'",
    }, (script) => `${script} | cat`),
    verdict: ({ seconds, stdout }) =>
      stdout === "hi\n" && seconds < 50 ? yes : no(`its reader waits ${seconds.toFixed(0)} s`),
  },
  {
    title: "the reader of the results of 1,000,000 tasks exits (`head -n 1`): the run ends",
    scripts: {
      xargs: "seq 1000000 | xargs -P2 -n1 echo | head -n 1 > /dev/null",
      parallel: "seq 1000000 | parallel -j2 echo | head -n 1 > /dev/null",
      taskrunner: "seq 1000000 | $TASKRUNNER each -j2 echo | head -n 1 > /dev/null",
    },
    verdict: ({ seconds }) => seconds < 60 ? yes : no(`after ${seconds.toFixed(0)} s`),
  },
  {
    title: "stops at the first failure on request",
    scripts: {
      xargs: "printf '%s\\n' a b c | xargs -P1 -n1 sh -c 'touch ran.$0; [ $0 != b ] || exit 255'",
      parallel: "printf '%s\\n' a b c | parallel -j1 --halt now,fail=1 'touch ran.{}; [ {} != b ]'",
      taskrunner: "printf '%s\\n' a b c | $TASKRUNNER each -j1 --halt now,fail=1 'touch ran.{}; [ {} != b ]'",
    },
    async verdict({ tool, status, exists }) {
      if (status === 0 || await exists("ran.c")) return no("continues");
      return tool === "xargs" ? "yes, with a status of 255" : yes;
    },
  },
];

/** Applies a function to the scripts of all tools. */
function withEach(scripts: Row["scripts"], wrap: (script: string) => string): Row["scripts"] {
  const { xargs, parallel, taskrunner } = scripts;
  const each = (script: string | { none: string }) => typeof script === "string" ? wrap(script) : script;
  return { xargs: each(xargs), parallel: each(parallel), taskrunner: each(taskrunner) };
}

/** Returns scripts that run the tasks a, b and c in order; `what` makes b fail. */
function failing(what: string): Row["scripts"] {
  return {
    xargs: `printf '%s\\n' a b c | xargs -P1 -n1 sh -c 'v=$0; ${what}touch ran.$v'`,
    parallel: `printf '%s\\n' a b c | parallel -j1 'v={}; ${what}touch ran.$v'`,
    taskrunner: `printf '%s\\n' a b c | $TASKRUNNER each -j1 'v={}; ${what}touch ran.$v'`,
  };
}

/** Requires that a and c ran and that the exit status is not 0. */
async function othersRan({ status, exists }: Tried): Promise<string> {
  const missing = (await Promise.all(["a", "c"].map(async (name) => await exists(`ran.${name}`) ? [] : [name]))).flat();
  if (missing.length > 0) return no(`${missing.join(" and ")} did not run, status ${status}`);
  return status === 0 ? no("status 0") : `yes, ${status}`;
}
