/** Flags of xargs, GNU parallel and earlier versions that taskrunner lacks or names differently. @module */

/** Equivalents of groups of flags. Each answer follows `Unknown flag "…": `. */
const ANSWERS: readonly (readonly [flags: string, answer: string])[] = [
  ["-n -N -L -l -m -X --max-args --max-replace-args --max-lines --xargs", "each makes one task of each value"],
  ["-I -i --replace --rpl --plus", "the replacement strings are {}, {.}, {/}, {//}, {/.} and {#}"],
  ["-d -C --delimiter --colsep --csv", "values end with a newline, or with a NUL after --null"],
  ["-a --arg-file", "values come from standard input, as in taskrunner each COMMAND <FILE"],
  ["-r --no-run-if-empty", "a run without values does nothing"],
  ["-t -v --verbose", "results name their task by its id; to see the commands first, run each --print"],
  ["-p --interactive", "no task asks for confirmation; each --print prints the tasks without running them"],
  ["--dryrun", "--dry-run checks the tasks, and each --print prints them"],
  ["-s -x -E -e --max-chars --exit --eof", "a command may have any length, and values end with the input"],
  ["--tag --tagstring --ctag --ctagstring", 'every result has the "id" of its task, which for each is the value'],
  ["--joblog --results --files", "-o FILE takes the results, and --spill-dir DIR takes large outputs"],
  ["--bar --eta", "--progress shows the progress of the run"],
  ["-u --ungroup --group --line-buffer --linebuffer --lb", "each result has the complete output of its task"],
  ["--noswap --memsuspend", "--memfree SIZE starts tasks only while memory is free"],
  ["--halt-on-error", "--halt now,fail=1 ends the run at the first failure"],
  ["--termseq", "--kill-after DUR is the time between SIGTERM and SIGKILL"],
  ["--retry-failed", "--resume-failed runs failed tasks again"],
  ["--nice", "start taskrunner with nice, as in nice taskrunner"],
  ["--tmpdir --tempdir", "temporary files go to the directory that TMPDIR names"],
  ["--workdir --wd", 'a task has the field "cwd"'],
  ["--env", 'a task has the field "env", and inherits the environment'],
  [
    "--pipe --pipe-part --pipepart --block --cat --fifo --spreadstdin",
    'a task has the fields "stdin" and "stdinFile" for its input',
  ],
  ["-S --sshlogin --sshloginfile --slf --trc --transferfile --return", "--nats URL runs tasks on other machines"],
  ["--quote", "each quotes every value for the shell"],
  ["--process-slot-var", "tasks see the slot in the variable TASKRUNNER_SLOT"],
  ["--max-reruns", "the flag is now --max-redeliveries"],
  ["--will-cite --citation --no-notice", "there is no notice to turn off"],
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
