/** The rows of `deno task bench`: measured programs, and the figures to reach. @module */

import type { Row } from "./row.ts";
import { ARRAY, ECHO, EXTERNALS, PIPE, SHELL } from "./rows/commands.ts";
import { EACH, HELD } from "./rows/extras.ts";
import { DAY, MEMORY, NATS, TASK_RUNNER } from "./rows/pairs.ts";
import { ECHO_SLOTS, OUTPUTS, SLEEPS } from "./rows/sweeps.ts";

/** All rows. The last ones take long, and can be interrupted. */
export const ROWS: readonly Row[] = [
  ECHO,
  ARRAY,
  ...EXTERNALS,
  ...SHELL,
  PIPE,
  NATS,
  TASK_RUNNER,
  ...OUTPUTS,
  ...ECHO_SLOTS,
  ...SLEEPS,
  DAY,
  MEMORY,
  EACH,
  HELD,
];

/** Returns the rows with the given names or groups; by default all except extra rows. Throws for an unknown name. */
export function chooseRows(names: readonly string[]): Row[] {
  const isNamed = ({ name }: Row, wanted: string) => name === wanted || name.startsWith(`${wanted}/`);
  const unknown = names.filter((name) => !ROWS.some((row) => isNamed(row, name)));
  if (unknown.length > 0) {
    throw new Error(
      `Unknown row ${unknown.join(", ")}; rows: ${[...new Set(ROWS.map(({ name }) => name))].join(", ")}`,
    );
  }
  if (names.length === 0) return ROWS.filter(({ isExtra }) => !isExtra);
  return ROWS.filter((row) => names.some((name) => isNamed(row, name)));
}
