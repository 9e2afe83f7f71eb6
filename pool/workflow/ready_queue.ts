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
    this.#size++;
    this.#insert(node, group.nodes);
  }

  #insert(node: number, nodes: number[]): void {
    let at = nodes.push(node) - 1;
    while (at > 0) {
      const parent = at - 1 >> 1;
      if (!this.#precedes(node, nodes[parent]!)) break;
      nodes[at] = nodes[parent]!;
      at = parent;
    }
    nodes[at] = node;
  }

  /**
   * Returns whether a task can start.
   *
   * @param isWanted Returns whether a node may start. When it is true of a node, it is true of all nodes that precede it.
   */
  hasNext(freeSlots: number, isWanted: (node: number) => boolean): boolean {
    return this.#choose(freeSlots, isWanted) !== undefined;
  }

  /** Removes and returns the task to start next. Must be called only when there is one. */
  take(freeSlots: number, isWanted: (node: number) => boolean): { node: number; demand: Demand } {
    const chosen = this.#choose(freeSlots, isWanted)!;
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
    for (const { nodes } of this.#groups.values()) for (const node of nodes.splice(0)) this.#insert(node, nodes);
  }

  /** Returns the group whose first task starts next. */
  #choose(freeSlots: number, isWanted: (node: number) => boolean): Group | undefined {
    const delayed = this.#groups.size > 1 ? this.#delayed(isWanted) : [];
    let chosen: Group | undefined;
    for (const group of this.#groups.values()) {
      const first = group.nodes[0]!;
      if (!fits(group.demand, freeSlots) || !isWanted(first)) continue;
      if (chosen && !this.#precedes(first, chosen.nodes[0]!)) continue;
      if (!delayed.some((other) => this.#mustWait(group, other, freeSlots))) chosen = group;
    }
    return chosen;
  }

  /** Returns the groups whose first task may not be passed any more. */
  #delayed(isWanted: (node: number) => boolean): Group[] {
    const maxPasses = this.#maxPasses();
    const delayed: Group[] = [];
    for (const group of this.#groups.values()) {
      if (group.passes >= maxPasses && isWanted(group.nodes[0]!)) delayed.push(group);
    }
    return delayed;
  }

  /** Returns whether a group must leave slots or units to another group, which may not be passed any more. */
  #mustWait(group: Group, delayed: Group, freeSlots: number): boolean {
    if (group === delayed || !delays(group.demand, delayed.demand, freeSlots)) return false;
    // Of two groups that may not be passed, the first one goes first.
    return group.passes < this.#maxPasses() || this.#precedes(delayed.nodes[0]!, group.nodes[0]!);
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
