/** Ends the processes of a program that was killed. @module */

import type { ChildProcess, SpawnAdapter, SpawnOptions } from "./types.ts";

/** Keeps a list of process groups, and when nobody is there any more who could tell it about them, kills them. */
const SCRIPT = `
groups=
while read -r change group; do
  case $change in
    add) groups="$groups $group" ;;
    remove)
      rest=
      for each in $groups; do [ "$each" = "$group" ] || rest="$rest $each"; done
      groups=$rest ;;
  esac
done
for each in $groups; do kill -KILL -"$each"; done
`;

/**
 * A spawn adapter whose processes end with this program, also when that is killed: a shell watches, and kills what it has
 * left. A process started in the instant before can be missed.
 */
export class GuardedSpawnAdapter implements SpawnAdapter {
  readonly name: string;
  readonly canSignal: boolean;
  readonly #adapter: SpawnAdapter;
  readonly #guard: ChildProcess;

  private constructor(adapter: SpawnAdapter, guard: ChildProcess) {
    this.#adapter = adapter;
    this.#guard = guard;
    this.name = adapter.name;
    this.canSignal = adapter.canSignal;
  }

  /** Starts the shell that watches. */
  static async start(adapter: SpawnAdapter): Promise<GuardedSpawnAdapter> {
    const guard = await adapter.spawn({ program: "sh", args: ["-c", SCRIPT], stdin: "piped", stderr: "null" });
    guard.stdout.cancel();
    return new GuardedSpawnAdapter(adapter, guard);
  }

  async spawn(options: SpawnOptions): Promise<ChildProcess> {
    const child = await this.#adapter.spawn(options);
    this.#guard.stdin!.write(`add ${child.pid}\n`);
    child.exited.then(() => this.#guard.stdin!.write(`remove ${child.pid}\n`));
    return child;
  }

  /** Ends the shell, when nothing is left to watch. */
  async close(): Promise<void> {
    this.#guard.stdin!.close();
    await this.#guard.exited;
  }
}
