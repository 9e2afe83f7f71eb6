import * as v from "valibot";
import { taskSchema } from "../records/task.ts";
import { excerpt } from "../text/excerpt.ts";
import type { Attempt, AttemptResult } from "./executor.ts";

/** An attempt that is about to start. */
export type AttemptStart = Readonly<Pick<Attempt, "id" | "sequence" | "number" | "slot" | "task">>;

/** The return value of {@linkcode PoolOptions.onAttemptStart}. */
export interface AttemptHooks {
  /**
   * Variables to add to the environment of the attempt. The `env` of the task overrides them.
   *
   * @default none
   */
  env?: Readonly<Record<string, string>> | undefined;
  /**
   * Called once, after the end of the attempt, with its result. The result is `undefined` when the executor failed, because
   * the end is then unknown. An error thrown by the callback stops the run.
   *
   * @default no callback
   */
  onEnd?: ((result: AttemptResult | undefined) => void) | undefined;
}

const environment = v.optional(taskSchema.entries.env);

/**
 * Checks the return value of {@linkcode PoolOptions.onAttemptStart}.
 *
 * @throws `TypeError` when the value is neither `undefined` nor {@linkcode AttemptHooks}.
 */
export function checkAttemptHooks(hooks: unknown): AttemptHooks {
  if (hooks === undefined) return {};
  const fail = (problem: string): never => {
    throw new TypeError(`Cannot start the attempt: ${problem}`);
  };
  if (typeof hooks !== "object" || hooks === null || "then" in hooks) {
    return fail(`onAttemptStart must return { env, onEnd } or undefined, got ${excerpt(hooks)}`);
  }
  const { env, onEnd } = hooks as AttemptHooks;
  const { issues } = v.safeParse(environment, env, { abortEarly: true });
  if (issues) {
    const names = issues[0].path?.map(({ key }) => `.${key}`).join("") ?? "";
    fail(`${excerpt(`env${names}`)} of onAttemptStart ${issues[0].message}`);
  }
  if (onEnd !== undefined && typeof onEnd !== "function") {
    fail(`onEnd of onAttemptStart must be a function, got ${excerpt(onEnd)}`);
  }
  return { env, onEnd };
}
