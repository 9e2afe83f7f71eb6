import { delays, type Demand, fits } from "./resources.ts";

/** Returns whether one node starts before another, when both could start. */
export type Precedes = (one: number, other: number) => boolean;

/** The ready tasks with the same demand. */
interface Group {
  readonly demand: Demand;
  /** A binary heap: the first node is the one to start next. */
  readonly nodes: number[];
  /** The number of tasks that have started although they come after the first node. */
  passes: number;
}

/**
 * The tasks that have no prerequisites left. Chooses the first one, by their order, whose demand can be met. Later tasks may
 * pass a task whose demand cannot be met, but only a limited number of times: then no task starts that would delay it.
 */
export class ReadyQueue {
  readonly #precedes: Precedes;
  readonly #maxPasses: () => number;
  readonly #groups = new Map<Demand, Group>();
  #size = 0;

  /** @param maxPasses Returns the number of tasks that may pass another one. */
  constructor(precedes: Precedes, maxPasses: () => number) {
    this.#precedes = precedes;
    this.#maxPasses = maxPasses;
  }

  /** The number of tasks. */
  get size(): number {
    return this.#size;
  }

  add(node: number, demand: Demand): void {
    let group = this.#groups.get(demand);
    if (!group) this.#groups.set(demand, group = { demand, nodes: [], passes: 0 });
    const { nodes } = group;
    this.#size++;
    let at = nodes.push(node) - 1;
    while (at > 0) {
      const parent = at - 1 >> 1;
      if (!this.#precedes(node, nodes[parent]!)) break;
      nodes[at] = nodes[parent]!;
      at = parent;
    }
    nodes[at] = node;
  }

  /** Returns whether a task can start. */
  hasNext(freeSlots: number): boolean {
    return this.#choose(freeSlots) !== undefined;
  }

  /** Removes and returns the task to start next. Must be called only when there is one. */
  take(freeSlots: number): { node: number; demand: Demand } {
    const chosen = this.#choose(freeSlots)!;
    const [node] = chosen.nodes as [number];
    for (const group of this.#groups.values()) {
      if (group !== chosen && this.#precedes(group.nodes[0]!, node)) group.passes++;
    }
    chosen.passes = 0;
    this.#removeFirst(chosen);
    return { node, demand: chosen.demand };
  }

  /** Puts all tasks in order again, after the order has changed. */
  reorder(): void {
    const groups = [...this.#groups.values()];
    this.#groups.clear();
    this.#size = 0;
    for (const { nodes, demand } of groups) for (const node of nodes) this.add(node, demand);
  }

  /** Returns the group whose first task starts next. */
  #choose(freeSlots: number): Group | undefined {
    const delayed = this.#groups.size > 1 ? this.#delayed() : undefined;
    let chosen: Group | undefined;
    for (const group of this.#groups.values()) {
      if (!fits(group.demand, freeSlots)) continue;
      if (delayed && group !== delayed && delays(group.demand, delayed.demand, freeSlots)) continue;
      if (!chosen || this.#precedes(group.nodes[0]!, chosen.nodes[0]!)) chosen = group;
    }
    return chosen;
  }

  /** Returns the group of the first task that may not be passed any more. */
  #delayed(): Group | undefined {
    const maxPasses = this.#maxPasses();
    let delayed: Group | undefined;
    for (const group of this.#groups.values()) {
      if (group.passes < maxPasses) continue;
      if (!delayed || this.#precedes(group.nodes[0]!, delayed.nodes[0]!)) delayed = group;
    }
    return delayed;
  }

  #removeFirst({ nodes, demand }: Group): void {
    this.#size--;
    const last = nodes.pop()!;
    if (nodes.length === 0) {
      this.#groups.delete(demand);
      return;
    }
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= nodes.length) break;
      if (child + 1 < nodes.length && this.#precedes(nodes[child + 1]!, nodes[child]!)) child++;
      if (!this.#precedes(nodes[child]!, last)) break;
      nodes[at] = nodes[child]!;
      at = child;
    }
    nodes[at] = last;
  }
}
