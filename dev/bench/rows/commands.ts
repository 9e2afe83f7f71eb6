/** Rows with short commands: `echo`, programs, and the grammar of the shell. @module */

import {
  apis,
  forker,
  MAKE,
  make,
  parallel,
  PARALLEL_TASKS,
  programSpawner,
  shellLoops,
  shellSpawner,
  taskrunners,
  XARGS,
  xargs,
  xargsOf,
} from "../peers.ts";
import { inAnyState, type Row, speedGoal } from "../row.ts";
import { taskrunnerOn } from "../runtimes.ts";

const SLOTS = 8;
/** The number of tasks that each start one program at most. With fewer, the start of the command distorts the ratios. */
export const SHORT_TASKS = 20_000;
const C_PROGRAM = programSpawner(SLOTS).name;

/** The command of a task that prints its number. */
export const echo = (number: number): string => `echo ${number}`;

export const ECHO: Row = {
  name: `echo/${SLOTS}`,
  title: "`echo N`, 8 slots",
  tasks: SHORT_TASKS,
  command: echo,
  echoesNumber: true,
  contenders: [
    shellSpawner(SLOTS, 0.25),
    forker(SLOTS, 0.5),
    ...taskrunners(SLOTS),
    xargs(SLOTS, 0.25),
    parallel(SLOTS, PARALLEL_TASKS / SHORT_TASKS),
    shellLoops(0.5),
    ...apis(SLOTS, 0.02),
  ],
  reference: shellSpawner(SLOTS).name,
  goals: [
    speedGoal({ cheap: { least: 3.3, aim: 4 }, expensive: { least: 1.5, aim: 2 } }),
    {
      title: "CPU time of the JavaScript process, µs per task",
      figure: "cpu",
      contender: taskrunnerOn,
      targets: inAnyState(45, 30),
    },
  ],
};

export const ARRAY: Row = {
  name: "array",
  title: "`/bin/true` as an array, 8 slots",
  tasks: SHORT_TASKS,
  command: () => ["/bin/true"],
  contenders: [
    programSpawner(SLOTS, 0.25),
    ...taskrunners(SLOTS),
    xargsOf("/bin/true", SLOTS, 0.25),
    make(SLOTS, 0.25),
  ],
  reference: C_PROGRAM,
  goals: [speedGoal({ cheap: { least: 0.95, aim: [XARGS, MAKE] }, expensive: { least: 0.85, aim: [XARGS, MAKE] } })],
};

/** Simple external commands as strings, which C starts without a shell. */
export const EXTERNALS: readonly Row[] = Object.entries({
  gzip: (number: number) => `gzip -k f${number}`,
  cp: (number: number) => `cp f${number} g${number}`,
}).map(([name, command]) => ({
  name: `external/${name}`,
  title: `\`${command(1)}\``,
  tasks: SHORT_TASKS,
  command,
  hasFiles: true,
  contenders: [programSpawner(SLOTS, 0.25), ...taskrunners(SLOTS), xargs(SLOTS, 0.25)],
  reference: C_PROGRAM,
  goals: [speedGoal(inAnyState(0.95, 1))],
}));

/** Constructs of the shell's grammar. */
export const SHELL: readonly Row[] = Object.entries({
  "for": (number: number) => `for i in 1 2 3; do echo $i ${number}; done`,
  "while": (number: number) => `i=0; while [ $i -lt 3 ]; do i=$((i + 1)); done; echo $i ${number}`,
  "if": (number: number) => `if [ -e / ]; then echo ${number}; else echo none; fi`,
  "case": (number: number) => `case ${number} in *5) echo five ;; *) echo other ;; esac`,
  "substitution": (number: number) => `echo $(echo ${number})`,
  "subshell": (number: number) => `(echo a; echo ${number})`,
  "braces": (number: number) => `{ echo a; echo ${number}; }`,
  "here-document": (number: number) => `cat <<END\n${number}\nEND`,
  "set-e": (number: number) => `set -e; true; echo ${number}`,
  "export": (number: number) => `export A=${number}; echo $A`,
}).map(([name, command]) => ({
  name: `shell/${name}`,
  title: `\`${command(1).replaceAll("\n", "⏎")}\``,
  tasks: 6_000,
  command,
  contenders: [xargs(SLOTS, 0.5), ...taskrunners(SLOTS)],
  reference: XARGS,
  goals: [speedGoal(inAnyState(1.2, 2))],
}));

export const PIPE: Row = {
  name: "pipe",
  title: "`head -c 99 /dev/zero | tr '\\0' x | wc -c`",
  tasks: 3_000,
  command: () => "head -c 99 /dev/zero | tr '\\0' x | wc -c",
  contenders: [xargs(SLOTS, 0.5), ...taskrunners(SLOTS)],
  reference: XARGS,
  goals: [speedGoal(inAnyState(1.1, 1.3))],
};
