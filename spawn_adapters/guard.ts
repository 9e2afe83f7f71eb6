/** Ends the processes of a program that was killed. @module */

import type { ChildProcess, SpawnAdapter, SpawnOptions } from "./types.ts";

/**
 * Keeps a list of process groups, and when nobody is there any more who could tell it about them, kills them, and removes
 * the files whose paths begin as it was told: who would have done that may have been killed, too.
 */
const SCRIPT = `
groups=
while read -r change group; do
  case $change in
    file) set -- "$@" "$group" ;;
    add) groups="$groups $group" ;;
    remove)
      rest=
      for each in $groups; do [ "$each" = "$group" ] || rest="$rest $each"; done
      groups=$rest ;;
  esac
done
for each in $groups; do kill -KILL -"$each"; done
for prefix do rm -rf -- "\${prefix:?}"* || { sleep 1; rm -rf -- "\${prefix:?}"*; }; done
`;

/** How soon a shell that watches is replaced. */
const RESTART_MS = 50;

/**
 * A spawn adapter whose processes end with this program, also when that is killed: a shell watches, and kills what it has
 * left. A process started in the instant before can be missed. A shell that is killed itself is replaced.
 */
export class GuardedSpawnAdapter implements SpawnAdapter {
  readonly name: string;
  readonly canSignal: boolean;
  readonly #adapter: SpawnAdapter;
  readonly #removes: readonly string[];
  /** What there is to kill. */
  readonly #groups = new Set<number>();
  #guard: Promise<ChildProcess> | undefined;
  #isClosed = false;

  private constructor(adapter: SpawnAdapter, removes: readonly string[]) {
    this.#adapter = adapter;
    this.#removes = removes;
    this.name = adapter.name;
    this.canSignal = adapter.canSignal;
  }

  /**
   * Starts the shell that watches.
   *
   * @param removes the beginnings of the paths of what it removes at the end.
   */
  static async start(adapter: SpawnAdapter, removes: readonly string[] = []): Promise<GuardedSpawnAdapter> {
    const guarded = new GuardedSpawnAdapter(adapter, removes);
    await guarded.#watched();
    return guarded;
  }

  async spawn(options: SpawnOptions): Promise<ChildProcess> {
    await this.#watched();
    const child = await this.#adapter.spawn(options);
    this.#groups.add(child.pid);
    this.#tell(`add ${child.pid}\n`);
    child.exited.then(() => {
      this.#groups.delete(child.pid);
      this.#tell(`remove ${child.pid}\n`);
    });
    return child;
  }

  /** Ends the shell, when nothing is left to watch. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const guard = await this.#guard?.catch(() => undefined);
    if (!guard) return;
    guard.stdin!.close();
    await guard.exited;
  }

  #tell(line: string): void {
    this.#guard?.then((guard) => guard.stdin!.write(line), () => {});
  }

  /** The shell that watches, which is started if there is none. */
  #watched(): Promise<ChildProcess> {
    return this.#guard ??= this.#startGuard().catch((error) => {
      this.#guard = undefined;
      throw error;
    });
  }

  async #startGuard(): Promise<ChildProcess> {
    const guard = await this.#adapter.spawn({ program: "sh", args: ["-c", SCRIPT], stdin: "piped", stderr: "null" });
    guard.stdout.cancel();
    // Not as arguments: whoever sees a process could learn a name from these, and be the first to use it.
    for (const path of this.#removes) if (!path.includes("\n")) guard.stdin!.write(`file ${path}\n`);
    for (const group of this.#groups) guard.stdin!.write(`add ${group}\n`);
    guard.exited.then(() => {
      if (this.#isClosed) return;
      this.#guard = undefined;
      // Not at once: where none can run, that would never end. It is started before the next process in any case.
      setTimeout(() => this.#isClosed || this.#watched().catch(() => {}), RESTART_MS);
    });
    return guard;
  }
}
