/** Rows that run only when they are named. @module */

import { apis, PARALLEL, shellSpawner, XARGS } from "../peers.ts";
import { type Contender, inAnyState, type Row } from "../row.ts";
import { RUNTIME_NAMES, type RuntimeName, RUNTIMES, taskrunnerCommand } from "../runtimes.ts";
import { echo } from "./commands.ts";

const SLOTS = 8;

function eachOn(runtime: RuntimeName, format: string): string {
  return `each on ${runtime}, ${format}`;
}

export const EACH: Row = {
  name: "each",
  title: "`each 'echo {}'`",
  tasks: 20_000,
  isExtra: true,
  command: echo,
  contenders: [
    ...RUNTIME_NAMES.flatMap((runtime) =>
      ["text", "json"].map((format): Contender => ({
        name: eachOn(runtime, format),
        command: `exec ${taskrunnerCommand(runtime, "$PACKAGE").join(" ")} each --no-config -q -j ${SLOTS} ` +
          `--format ${format} 'echo {}' <$VALUES >$OUT`,
        needs: [runtime],
        writes: "lines",
      }))
    ),
    {
      name: PARALLEL,
      command: `exec parallel --will-cite -j${SLOTS} 'echo {}' <$VALUES >$OUT`,
      needs: ["parallel"],
      part: 0.05,
      writes: "lines",
    },
    {
      name: XARGS,
      command: `exec xargs -P${SLOTS} -n1 sh -c 'echo "$1"' sh <$VALUES >$OUT`,
      needs: [XARGS],
      part: 0.5,
      writes: "lines",
    },
  ],
  reference: PARALLEL,
  goals: [
    {
      title: "text relative to JSON",
      figure: "speed",
      contender: (runtime) => eachOn(runtime, "text"),
      reference: (runtime) => eachOn(runtime, "json"),
      targets: inAnyState(0.95, 1),
    },
    {
      title: "text relative to GNU parallel",
      figure: "speed",
      contender: (runtime) => eachOn(runtime, "text"),
      targets: inAnyState(15, 20),
    },
  ],
};

function heldOn(runtime: RuntimeName, megabytes: number): string {
  return `run() on ${runtime}, ${megabytes} MB held`;
}

export const HELD: Row = {
  name: "held",
  title: "`echo N`, in a program that holds memory",
  tasks: 20_000,
  isExtra: true,
  command: echo,
  echoesNumber: true,
  contenders: [
    shellSpawner(SLOTS, 0.25),
    ...[0, 500, 1000].flatMap((megabytes) => [
      ...RUNTIME_NAMES.map((runtime): Contender => ({
        name: heldOn(runtime, megabytes),
        command: `exec ${RUNTIMES[runtime]!.join(" ")} $BENCH/library.ts $TASKS $OUT ${SLOTS} ${megabytes}`,
        needs: [runtime],
        writes: "results",
        measuresItself: true,
      })),
      ...apis(SLOTS, megabytes > 0 ? 0.01 : 0.05, megabytes).filter(({ name }) => name !== "Bun.$").map((api) => ({
        ...api,
        name: `${api.name}, ${megabytes} MB held`,
        measuresItself: true,
      })),
    ]),
  ],
  reference: shellSpawner(SLOTS).name,
  goals: [{
    title: "speed with 1 GB held relative to none",
    figure: "speed",
    contender: (runtime) => heldOn(runtime, 1000),
    reference: (runtime) => heldOn(runtime, 0),
    targets: inAnyState(0.9, 1),
  }],
};
