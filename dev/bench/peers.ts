/** The programs that do the work of the rows, as shell commands. @module */

import type { Contender } from "./row.ts";
import { RUNTIME_NAMES, type RuntimeName, RUNTIMES, taskrunnerCommand, taskrunnerOn } from "./runtimes.ts";

/** Name of GNU parallel as a contender. */
export const PARALLEL = "GNU parallel";

/** Name of xargs as a contender. */
export const XARGS = "xargs";

/** The number of tasks that GNU parallel runs in about a second. */
export const PARALLEL_TASKS = 250;

/** Name of make as a contender. */
export const MAKE = "make";

/** Returns the command on a runtime, with more flags. */
export function taskrunnerWith(runtime: RuntimeName, flags: string): Contender {
  return {
    name: taskrunnerOn(runtime),
    command: `exec ${taskrunnerCommand(runtime, "$PACKAGE").join(" ")} --no-config -q $TASKS -o $OUT ${flags}`,
    needs: [runtime],
    writes: "results",
  };
}

/** Returns the command on each runtime. */
export function taskrunners(slots: number, { flags = "" } = {}): Contender[] {
  return RUNTIME_NAMES.map((runtime) => taskrunnerWith(runtime, `-j ${slots} ${flags}`));
}

/** Returns the C program in one of its modes: what it does for each command. */
function spawner(name: string, mode: "sh" | "exec" | "fork", slots: number, part: number): Contender {
  return { name, command: `exec $SPAWN ${mode} ${slots} <$COMMANDS >/dev/null`, needs: [], part };
}

/** Returns the C program that only starts a shell for each command. */
export function shellSpawner(slots: number, part = 1): Contender {
  return spawner("posix_spawn of sh -c, in C", "sh", slots, part);
}

/** Returns the C program that only starts the program of each command. */
export function programSpawner(slots: number, part = 1): Contender {
  return spawner("posix_spawn of the program, in C", "exec", slots, part);
}

/** Returns the C program that only forks, for each command. */
export function forker(slots: number, part: number): Contender {
  return spawner("fork alone, in C", "fork", slots, part);
}

/** Returns xargs with a shell for each command. */
export function xargs(slots: number, part = 1): Contender {
  return { name: XARGS, command: `exec xargs -0 -P${slots} -n1 sh -c <$COMMANDS >$OUT`, needs: [XARGS], part };
}

/** Returns xargs with a program whose argument is the number of the task. */
export function xargsOf(program: string, slots: number, part = 1): Contender {
  return { name: XARGS, command: `exec xargs -P${slots} -n1 ${program} <$VALUES >$OUT`, needs: [XARGS], part };
}

/** Returns make with a target for each command. */
export function make(slots: number, part = 1): Contender {
  return { name: MAKE, command: `exec make -j${slots} -rR -f $MAKEFILE all >$OUT`, needs: [MAKE], part };
}

/** Returns GNU parallel with the commands. */
export function parallel(slots: number, part: number): Contender {
  return {
    name: PARALLEL,
    command: `exec parallel --will-cite -0 -j${slots} <$COMMANDS >$OUT`,
    needs: ["parallel"],
    part,
  };
}

/** Returns one shell per CPU that runs a script: the upper bound for shell workers with an output file for each task. */
export function shellLoops(part: number): Contender {
  const script =
    `awk -v d=$d -v p=$p '{ print "(" $0 ") </dev/null >" d "/" p NR ".out 2>" d "/" p NR ".err; echo " NR " $?" }'`;
  return {
    name: "two shells in a loop, with the same output files",
    command: "d=$(mktemp -d /dev/shm/taskrunner-bench-XXXXXX); tr '\\0' '\\n' <$COMMANDS | split -n r/2 - $d/part.; " +
      `for p in aa ab; do ${script} $d/part.$p | sh >/dev/null & done; wait; rm -r $d`,
    needs: ["split", "awk"],
    part,
  };
}

/** Returns the ways of each runtime to run a command, in a program that holds memory. */
export function apis(slots: number, part: number, megabytes = 0): Contender[] {
  const program = (name: string, runtime: RuntimeName, api: string): Contender => ({
    name,
    command: `exec ${RUNTIMES[runtime]!.join(" ")} $BENCH/peers/api.ts ${api} $COMMANDS ${slots} ${megabytes}`,
    needs: [runtime],
    part,
  });
  return [
    program("Deno.Command", "deno", "deno"),
    program("Bun.spawn", "bun", "bun"),
    program("Bun.$", "bun", "bun-shell"),
    program("child_process.spawn on node", "node", "node"),
    program("execa + p-limit on node", "node", "execa"),
  ];
}
