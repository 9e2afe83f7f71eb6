import { enlarged, IdTable } from "./id_table.ts";

const MIN_CAPACITY = 64;
/** Begins the bytes of a node without an id: never the first byte of an id. */
const WITHOUT_ID = 0xfe;

/**
 * The prerequisites of tasks. Tasks are nodes, numbered from 0 in the order in which their ids are first named. A node takes
 * about 50 bytes and a prerequisite 12, in a few large arrays.
 */
export class TaskGraph {
  readonly #ids: IdTable;
  /** By node: the position of the task in the input, from 1; 0 for an id that only prerequisites name. */
  #positions = new Uint32Array(MIN_CAPACITY);
  /** By node: its first edge and the number of its edges, which are consecutive. */
  #firstEdges = new Uint32Array(MIN_CAPACITY);
  #edgeCounts = new Uint32Array(MIN_CAPACITY);
  /** By node: the latest edge that leads to a dependent, plus 1; 0 for none. */
  #latestDependents = new Uint32Array(MIN_CAPACITY);
  /** By edge: the prerequisite, the dependent, and the earlier edge of the same prerequisite plus 1. */
  #prerequisites = new Uint32Array(MIN_CAPACITY);
  #dependents = new Uint32Array(MIN_CAPACITY);
  #earlierEdges = new Uint32Array(MIN_CAPACITY);
  #edges = 0;
  readonly #withoutId = new Set<number>();

  /** @param ids The ids of the first nodes. */
  constructor(ids: IdTable = new IdTable()) {
    this.#ids = ids;
    while (ids.size > this.#positions.length) this.#enlarge();
  }

  /** The number of nodes. */
  get size(): number {
    return this.#ids.size;
  }

  /** The number of prerequisites of all tasks. */
  get edgeCount(): number {
    return this.#edges;
  }

  /** Size of the graph in memory, in bytes. */
  get heldBytes(): number {
    return this.#ids.heldBytes + 4 * this.#positions.byteLength + 3 * this.#prerequisites.byteLength;
  }

  /** Returns the node of an id; a new id gets the next number. */
  nodeOf(id: string): number {
    return this.#withRoom(this.#ids.addText(id));
  }

  /** Returns the node of an id in UTF-8; a new id gets the next number. */
  nodeOfBytes(bytes: Uint8Array, begin: number, end: number): number {
    return this.#withRoom(this.#ids.add(bytes, begin, end));
  }

  /** Adds a node for a task without an id, and returns the node. */
  addWithoutId(position: number): number {
    const bytes = new Uint8Array([WITHOUT_ID, ...new Uint8Array(new Uint32Array([position]).buffer)]);
    const node = this.nodeOfBytes(bytes, 0, bytes.length);
    this.declare(node, position);
    this.#withoutId.add(node);
    return node;
  }

  #withRoom(node: number): number {
    if (node === this.#positions.length) this.#enlarge();
    return node;
  }

  #enlarge(): void {
    this.#positions = new Uint32Array(enlarged(this.#positions));
    this.#firstEdges = new Uint32Array(enlarged(this.#firstEdges));
    this.#edgeCounts = new Uint32Array(enlarged(this.#edgeCounts));
    this.#latestDependents = new Uint32Array(enlarged(this.#latestDependents));
  }

  /** Returns whether a node has an id. */
  hasId(node: number): boolean {
    return !this.#withoutId.has(node);
  }

  /** Returns the node of an id, or -1 for an unknown id. */
  find(id: string): number {
    return this.#ids.findText(id);
  }

  /** Returns the id of a node. */
  idOf(node: number): string {
    return this.#ids.idOf(node);
  }

  /** Returns the position of the task in the input, from 1; 0 for an id that only prerequisites name. */
  positionOf(node: number): number {
    return this.#positions[node]!;
  }

  /** Notes that the input has a task. Returns false, and changes nothing, if the input has another task with the id. */
  declare(node: number, position: number): boolean {
    if (this.#positions[node] !== 0) return false;
    this.#positions[node] = position;
    return true;
  }

  /** Sets the prerequisites of a node. Must be called at most once for each node. */
  setPrerequisites(node: number, ids: readonly (string | number)[]): void {
    this.setPrerequisiteNodes(node, ids.map((id) => this.nodeOf(String(id))));
  }

  /** {@linkcode setPrerequisites} for prerequisites that have nodes. */
  setPrerequisiteNodes(node: number, prerequisites: readonly number[]): void {
    this.#firstEdges[node] = this.#edges;
    this.#edgeCounts[node] = prerequisites.length;
    for (const prerequisite of prerequisites) this.#addEdge(prerequisite, node);
  }

  #addEdge(prerequisite: number, dependent: number): void {
    const edge = this.#edges++;
    if (edge === this.#prerequisites.length) {
      this.#prerequisites = new Uint32Array(enlarged(this.#prerequisites));
      this.#dependents = new Uint32Array(enlarged(this.#dependents));
      this.#earlierEdges = new Uint32Array(enlarged(this.#earlierEdges));
    }
    this.#prerequisites[edge] = prerequisite;
    this.#dependents[edge] = dependent;
    this.#earlierEdges[edge] = this.#latestDependents[prerequisite]!;
    this.#latestDependents[prerequisite] = edge + 1;
  }

  /** Returns the number of prerequisites of a node. */
  prerequisiteCount(node: number): number {
    return this.#edgeCounts[node]!;
  }

  /** Returns a prerequisite of a node, by its index in the list of prerequisites. */
  prerequisiteAt(node: number, index: number): number {
    return this.#prerequisites[this.#firstEdges[node]! + index]!;
  }

  /** Returns whether a node is a prerequisite. */
  hasDependents(node: number): boolean {
    return this.#latestDependents[node] !== 0;
  }

  /** Calls a function for each dependent of a node: for each time that the dependent names the node. */
  forEachDependent(node: number, callback: (dependent: number) => void): void {
    for (let edge = this.#latestDependents[node]!; edge !== 0; edge = this.#earlierEdges[edge - 1]!) {
      callback(this.#dependents[edge - 1]!);
    }
  }
}
