/** Flags of xargs, GNU parallel, npm-run-all, concurrently and earlier versions that taskrunner lacks or names differently. @module */

// cspell:ignore afterok basefile basenameextensionreplace basenamereplace bner dirnamereplace extensionreplace outputasfiles seqreplace shellquote slotreplace xapply

/** Equivalents of groups of flags. Each answer follows `Unknown flag "…": `. */
const ANSWERS: readonly (readonly [flags: string, answer: string])[] = [
  // Values
  ["-i", "-I REPL sets the text to replace, as in each -I FILE 'gzip FILE'"],
  ["-L -l --max-lines", "-n N gives each command N values, and a value is a line"],
  ["-m -X --xargs", "-n max gives each command as many values as fit"],
  ["-s --max-chars", "-n max gives each command as many values as fit into 128 KiB"],
  ["-x --exit", "leave it out: a command may have any length"],
  ["-E -e --eof", "values end with the input"],
  ["-r --no-run-if-empty", "leave it out: a run without values does nothing"],
  ["--xapply", "the flag is --link"],
  ["--arg-sep --arg-file-sep", "the separators are :::, :::+, :::: and ::::+"],
  ["--plus", "leave it out: its placeholders are always on; taskrunner help placeholders lists them"],
  [
    "--rpl --parens --er --extensionreplace --bnr --basenamereplace --dnr --dirnamereplace --bner " +
    "--basenameextensionreplace --seqreplace --slotreplace",
    "taskrunner help placeholders lists the placeholders, and -I REPL sets another for the value",
  ],
  ["--quote", "leave it out: each quotes every value for the shell"],
  ["--shellquote --shell-quote", "--dry-run prints the commands, quoted for a shell"],
  [
    "-t -v --verbose",
    "--record-cmd adds the command to each result, and each --dry-run prints the commands without running them",
  ],
  ["-p --interactive", "no task asks for confirmation; each --dry-run prints the commands without running them"],
  ["--dryrun", "the flag is --dry-run"],
  ["--print", "--dry-run prints the commands of each, and with --format json their tasks"],
  // Standard input in blocks
  ["--spreadstdin", "the flag is --pipe"],
  ["--pipe-part --pipepart", "--pipe cuts standard input into blocks, as in each --pipe COMMAND <FILE"],
  ["--block-size", "the flag is --block"],
  ["--cat --fifo --round-robin --round", "each block of --pipe is the standard input of its own task"],
  // Output
  ["--tagstring --ctag --ctagstring", "--tag puts the id of the task before each line, in color on a terminal"],
  ["-u --ungroup --line-buffer --linebuffer --lb", "--lines writes lines as they come"],
  ["--group", "output is grouped by task unless --lines is given"],
  ["--joblog --jl", "-o FILE writes a result for each task"],
  [
    "--results --res --files --output-as-files --outputasfiles",
    "-o FILE takes the results, and --spill-dir DIR large outputs",
  ],
  ["--bar --eta", "--progress shows the progress of the run"],
  ["--total-jobs", "the flag is --total"],
  // Scheduling
  ["--noswap --memsuspend --limit", "--memfree SIZE and --load N start tasks only while the machine has room"],
  ["--halt-on-error", "--halt now,fail=1 ends the run at the first failure"],
  ["--termseq --term-seq", "--kill-after DUR is the time between SIGTERM and SIGKILL"],
  ["--retry-failed", "--resume-failed runs failed tasks again"],
  ["--nice", "start the command with nice, as in nice taskrunner each"],
  ["--tmpdir --tempdir", "temporary files go to the directory that TMPDIR names"],
  ["--workdir --wd --cwd", 'begin the command with cd DIR &&, or give a task of run the field "cwd"'],
  ["--env --record-env", 'tasks inherit all variables, and the field "env" of a task of run adds more'],
  ["--process-slot-var", "tasks see the slot in the variable TASKRUNNER_SLOT"],
  ["--semaphore --sem", "--resource NAME=N and --uses NAME=1 run N tasks at once that use NAME"],
  [
    "--resources --res-limits --pool --pools --default-resources --set-resources",
    '--resource NAME=N gives the run units of a resource, and the field "uses" or --uses of each takes them',
  ],
  ["--set-threads --cpus-per-task --threads-per-task", '--slots N of each, or the field "slots", takes several places'],
  // Habits from make, Snakemake, pueue and others
  ["--load-average --max-load", "the flag is --load"],
  ["--cores --local-cores", "-j N sets the number of tasks to run at once"],
  ["--keep-going", "a failed task ends the run only with --halt, and skips only the tasks that wait for it"],
  [
    "--after --afterok --needs --depends --depends-on --dependency --dependencies --prerequisite",
    'the field "after" of a task of run names the tasks that it waits for',
  ],
  ["--rerun-incomplete", "--resume runs the tasks that have no result"],
  ["--history --durations", "--learn FILE reads the durations of an earlier run from its results"],
  // Habits from npm-run-all, concurrently and others
  [
    "--parallel --max-parallel --max-processes --concurrency --threads --workers --procs --processes --cpus",
    "-j N sets the number of tasks to run at once",
  ],
  ["--sequential --serial", "-j 1 runs one task at a time"],
  ["--continue-on-error", "a failed task ends the run only with --halt"],
  ["--kill-others-on-fail --fail-fast", "--halt now,fail=1 ends the run at the first failure"],
  ["--kill-others", "--halt now,done=1 ends the run when the first task ends"],
  ["--race", "--halt now,success=1 ends the run at the first success"],
  ["--retry --restart-tries", "the flag is --retries"],
  ["--restart-after", "the flag is --retry-delay"],
  ["--print-label --prefix --names", "--tag puts the id of the task before each line"],
  ["--aggregate-output", "output is grouped by task unless --lines is given"],
  // Other machines
  ["-S --sshlogin --sshloginfile --slf", "--nats URL runs tasks on other machines"],
  [
    "--trc --transfer --transferfile --tf --return --basefile --bf",
    "--nats URL runs tasks on other machines, but transfers no files",
  ],
  ["--max-reruns", "the flag is --max-redeliveries"],
  // The command itself
  ["-V", "--version prints the version"],
  ["--plain", "--no-config ignores the default flags"],
  ["--profile", "default flags come from TASKRUNNER_FLAGS, or from the file that taskrunner config names"],
  ["--shell-completion", "taskrunner completions SHELL prints the completions"],
  ["--will-cite --citation --no-notice", "leave it out: there is no notice to turn off"],
];

const ANSWER_BY_FLAG: ReadonlyMap<string, string> = new Map(
  ANSWERS.flatMap(([flags, answer]) => flags.split(" ").map((flag) => [flag, answer] as const)),
);

/** The flags that {@linkcode answerToForeignFlag} knows. */
export const FOREIGN_FLAGS: readonly string[] = [...ANSWER_BY_FLAG.keys()];

/** Returns the equivalent of a flag that taskrunner lacks; `undefined` if there is none. */
export function answerToForeignFlag(flag: string): string | undefined {
  return ANSWER_BY_FLAG.get(flag);
}
