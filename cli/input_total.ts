import type { Progress } from "../pool/options.ts";

/** Returns progress without its total if more tasks have ended, because the user has given a wrong number. */
export function withoutWrongTotal(progress: Progress): Progress {
  const { total, finished } = progress;
  return total !== undefined && finished > total ? { ...progress, total: undefined } : progress;
}
