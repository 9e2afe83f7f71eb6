/** Rows for the plots: sizes of outputs, and numbers of slots. @module */

import { parallel, PARALLEL_TASKS, programSpawner, taskrunners, XARGS, xargs } from "../peers.ts";
import { inAnyState, type Row, speedGoal } from "../row.ts";
import { echo, SHORT_TASKS } from "./commands.ts";

const SLOTS = 8;
const MIB = 2 ** 20;
/** The rows that only draw plots have no goals, and need fewer rounds. */
const PLOT_ROUNDS = 3;

/** Outputs of each size; with goals for 1 MiB, and for the plot. */
export const OUTPUTS: readonly Row[] = [
  { bytes: 0, title: "no output", tasks: 800 },
  { bytes: 2 ** 10, title: "1 KiB of output", tasks: 800 },
  { bytes: 64 * 2 ** 10, title: "64 KiB of output", tasks: 800 },
  { bytes: MIB, title: "1 MiB of output", tasks: 600 },
  { bytes: 16 * MIB, title: "16 MiB of output", tasks: 24 },
].map(({ bytes, title, tasks }): Row => ({
  name: `output/${bytes}`,
  title: `\`head -c … /dev/zero | tr '\\0' x\`, ${title}`,
  tasks,
  command: () => `head -c ${bytes} /dev/zero | tr '\\0' x`,
  contenders: [
    xargs(SLOTS),
    ...taskrunners(SLOTS, { flags: bytes > MIB ? "--max-inline 32M" : "" }),
    parallel(SLOTS, Math.min(1, PARALLEL_TASKS / tasks)),
  ],
  reference: XARGS,
  ...bytes === MIB
    ? { goals: [speedGoal(inAnyState({ deno: 0.75, bun: 0.9, node: 0.75 }, 1))] }
    : { maxRounds: PLOT_ROUNDS },
}));

/** Numbers of slots for the plot; the row `echo/8`, with as many tasks, is in `commands.ts`. */
export const ECHO_SLOTS: readonly Row[] = [1, 2, 4, 16, 64, 250, 1000].map((slots) => ({
  name: `echo/${slots}`,
  title: `\`echo N\`, ${slots} slots`,
  tasks: SHORT_TASKS,
  maxRounds: PLOT_ROUNDS,
  command: echo,
  echoesNumber: true,
  contenders: [xargs(slots, 0.05), ...taskrunners(slots), parallel(slots, PARALLEL_TASKS / SHORT_TASKS)],
  reference: XARGS,
}));

/** `sleep 0.01` with each number of slots; with goals for 1,000, and for the plot. */
export const SLEEPS: readonly Row[] = [1, 2, 4, 8, 16, 64, 250, 1000].map((slots): Row => {
  const tasks = slots === 1000 ? 10_000 : Math.min(1_200, 120 * slots);
  const row = { name: `sleep/${slots}`, title: `\`sleep 0.01\`, ${slots} slots`, tasks, command: () => "sleep 0.01" };
  const tools = [
    ...taskrunners(slots),
    xargs(slots, Math.min(1, 2_000 / tasks)),
    parallel(slots, Math.min(1, PARALLEL_TASKS / tasks)),
  ];
  if (slots < 1000) return { ...row, contenders: tools, reference: XARGS, maxRounds: PLOT_ROUNDS };
  const spawner = programSpawner(slots, 0.5);
  return {
    ...row,
    contenders: [spawner, ...tools],
    reference: spawner.name,
    goals: [speedGoal(inAnyState(0.85, 0.95))],
  };
});
