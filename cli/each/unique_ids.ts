import process from "node:process";
import { bytesOfId, enlarged, IdTable } from "../../graph/id_table.ts";

/** Makes the ids of a run unique: the second task with an id gets ` (2)`. Takes about 50 bytes for each task at most. */
export class UniqueIds {
  readonly #table = new IdTable();
  /** By the numbers of ids: how often each has occurred. */
  #counts = new Uint32Array(1024);

  /** Returns an id, with the number of its occurrence unless that is 1. */
  add(id: string): string {
    const key = keyOf(id);
    const number = this.#table.add(key, 0, key.length);
    if (number === this.#counts.length) this.#counts = new Uint32Array(enlarged(this.#counts));
    const count = ++this.#counts[number]!;
    return count === 1 ? id : `${id} (${count})`;
  }
}

const MAX_KEY_BYTES = 32;
/** The first byte of a digest, which no id in UTF-8 has. */
const DIGEST = 0xff;

/** Returns bytes that stand for an id: the id itself, or the SHA-256 digest of a long one. */
function keyOf(id: string): Uint8Array {
  if (id.length <= MAX_KEY_BYTES) return bytesOfId(id);
  const { createHash } = process.getBuiltinModule("node:crypto"); // takes 8 ms to load
  return Uint8Array.from([DIGEST, ...createHash("sha256").update(id).digest()]);
}
