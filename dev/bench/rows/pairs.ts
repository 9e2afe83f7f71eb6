/** Rows that compare two ways on the same runtime, or two runtimes. @module */

import { measureMixedDay } from "../mixed_day.ts";
import { startNats } from "../nats_services.ts";
import { taskrunnerWith } from "../peers.ts";
import { type Contender, inAnyState, type Row } from "../row.ts";
import { RUNTIME_NAMES, type RuntimeName, RUNTIMES, taskrunnerOn } from "../runtimes.ts";
import { echo } from "./commands.ts";

/** Returns pairs of contenders on each runtime; the goals compare the second one of each pair with the first one. */
function pairs(of: (runtime: RuntimeName) => readonly [Contender, Contender]): Contender[] {
  return RUNTIME_NAMES.flatMap(of);
}

/** The variable that makes a program import the module that users of a runtime install. */
function moduleVariable(runtime: RuntimeName): string {
  return runtime === "deno" ? "" : "TASKRUNNER_MODULE=$PACKAGE/dist/mod.js ";
}

export const NATS: Row = {
  name: "nats",
  title: "`echo N` over NATS, one worker with 16 slots",
  tasks: 8_000,
  command: echo,
  echoesNumber: true,
  services: startNats,
  contenders: pairs((runtime) => [
    { ...taskrunnerWith(runtime, "-j 16"), name: `${taskrunnerOn(runtime)}, local` },
    {
      ...taskrunnerWith(runtime, `--nats $NATS_URL --queue bench-${runtime}`),
      name: `${taskrunnerOn(runtime)}, over NATS`,
      needs: [runtime, "nats-server"],
    },
  ]),
  goals: [{
    title: "speed relative to a local run",
    figure: "speed",
    contender: (runtime) => `${taskrunnerOn(runtime)}, over NATS`,
    reference: (runtime) => `${taskrunnerOn(runtime)}, local`,
    targets: inAnyState(0.7, 0.9),
  }],
};

export const TASK_RUNNER: Row = {
  name: "TaskRunner",
  title: "`echo N` by a program with `TaskRunner`, 16 slots",
  tasks: 15_000,
  command: echo,
  echoesNumber: true,
  contenders: pairs((runtime) => [
    taskrunnerWith(runtime, "-j 16"),
    {
      name: `TaskRunner on ${runtime}`,
      command: `${moduleVariable(runtime)}exec ${RUNTIMES[runtime]!.join(" ")} ` +
        "$BENCH/parent.ts TaskRunner raw $COUNT 16 0",
      needs: [runtime],
      measuresItself: true,
    },
  ]),
  goals: [{
    title: "speed relative to the command",
    figure: "speed",
    contender: (runtime) => `TaskRunner on ${runtime}`,
    reference: taskrunnerOn,
    targets: inAnyState(0.95, 1),
  }],
};

const FEW = 0.01;

export const MEMORY: Row = {
  name: "memory",
  title: "`echo N`, many tasks",
  tasks: 1_000_000,
  maxRounds: 1,
  command: echo,
  echoesNumber: true,
  contenders: pairs((runtime) => [
    { ...taskrunnerWith(runtime, "-j 8"), name: `${taskrunnerOn(runtime)}, 1/100 of the tasks`, part: FEW },
    taskrunnerWith(runtime, "-j 8"),
  ]),
  goals: [{
    title: "peak memory relative to 1/100 of the tasks",
    figure: "memory",
    contender: taskrunnerOn,
    reference: (runtime) => `${taskrunnerOn(runtime)}, 1/100 of the tasks`,
    targets: inAnyState(1.1, 1.05),
  }],
};

export const DAY: Row = {
  name: "day",
  title: "a mixed day of the soak test, Deno and Bun at the same time",
  tasks: 0,
  maxRounds: 1,
  command: () => "",
  measureAll: measureMixedDay,
  contenders: (["bun", "deno"] as const).map((runtime) => ({
    name: taskrunnerOn(runtime),
    command: "",
    needs: [runtime],
  })),
  reference: taskrunnerOn("bun"),
  goals: [{
    title: "speed of Deno relative to Bun",
    figure: "speed",
    contender: (runtime) => runtime === "deno" ? taskrunnerOn("deno") : undefined,
    targets: inAnyState(0.7, 0.9),
  }],
};
