const MAX_TEXT_BYTES = 2 ** 32 - 1;
/** No byte of UTF-8: begins an id that is not well-formed and stands here in UTF-16. */
const NOT_WELL_FORMED = 0xff;

const encoder = new TextEncoder();

/** The bytes that stand for an id in an {@linkcode IdTable}: UTF-8, or for halves of surrogate pairs something else. */
export function bytesOfId(id: string): Uint8Array {
  if (id.isWellFormed()) return encoder.encode(id);
  const bytes = new Uint8Array(1 + 2 * id.length);
  bytes[0] = NOT_WELL_FORMED;
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index);
    bytes[1 + 2 * index] = code & 0xff;
    bytes[2 + 2 * index] = code >> 8;
  }
  return bytes;
}

/**
 * Numbers ids, from 0 in the order in which they come. It holds them as bytes in a few large arrays, which takes a third
 * of the memory of strings in a `Map` and gives the garbage collector nothing to do. Ids are compared byte by byte, so that
 * two with the same hash are two.
 */
export class IdTable {
  /** All ids, one after the other. */
  #text = new Uint8Array(1024);
  /** Where each id ends there. */
  #ends = new Uint32Array(64);
  /** For a hash, and those that follow: the number of an id and 1, or 0. At most half of them are taken. */
  #slots = new Uint32Array(128);
  #size = 0;
  /** After the id that came last: tasks mostly come in the order in which their results did. */
  #expected = 0;
  readonly #seed: number;

  /** @param seed what hashes begin with, so that nobody can prepare ids that all have the same one. */
  constructor(seed: number = Math.floor(Math.random() * 2 ** 32)) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** How many bytes it takes. */
  get heldBytes(): number {
    return this.#text.byteLength + this.#ends.byteLength + this.#slots.byteLength;
  }

  /** The number of an id; a new id gets the next number. */
  add(bytes: Uint8Array, begin: number, end: number): number {
    if (this.#expected < this.#size && this.#isSame(this.#expected, bytes, begin, end)) return this.#expected++;
    const mask = this.#slots.length - 1;
    let slot = this.#hash(bytes, begin, end) & mask;
    for (; this.#slots[slot] !== 0; slot = slot + 1 & mask) {
      const number = this.#slots[slot]! - 1;
      if (!this.#isSame(number, bytes, begin, end)) continue;
      this.#expected = number + 1;
      return number;
    }
    const number = this.#append(bytes, begin, end);
    this.#expected = this.#size;
    if (2 * this.#size > this.#slots.length) this.#addSlots();
    else this.#slots[slot] = number + 1;
    return number;
  }

  #append(bytes: Uint8Array, begin: number, end: number): number {
    let at = this.#beginOf(this.#size);
    if (at + end - begin > MAX_TEXT_BYTES) throw new RangeError("Cannot hold ids of more than 4 GiB");
    const number = this.#size++;
    if (number === this.#ends.length) this.#ends = new Uint32Array(enlarged(this.#ends));
    while (at + end - begin > this.#text.length) this.#text = new Uint8Array(enlarged(this.#text));
    for (let from = begin; from < end; from++) this.#text[at++] = bytes[from]!;
    this.#ends[number] = at;
    return number;
  }

  #beginOf(number: number): number {
    return number === 0 ? 0 : this.#ends[number - 1]!;
  }

  #isSame(number: number, bytes: Uint8Array, begin: number, end: number): boolean {
    let at = this.#ends[number]!;
    if (at - this.#beginOf(number) !== end - begin) return false;
    // From behind, as ids that are counted up differ there.
    for (let from = end; from > begin;) if (this.#text[--at] !== bytes[--from]) return false;
    return true;
  }

  /** Makes it twice as many, and puts all numbers in. */
  #addSlots(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = this.#hash(this.#text, this.#beginOf(number), this.#ends[number]!) & mask;
      while (slots[slot] !== 0) slot = slot + 1 & mask;
      slots[slot] = number + 1;
    }
    this.#slots.buffer.transfer(0); // frees it now, not when garbage is collected
    this.#slots = slots;
  }

  /** FNV-1a, with its bits mixed at the end as in MurmurHash3. */
  #hash(bytes: Uint8Array, begin: number, end: number): number {
    let hash = this.#seed;
    for (let at = begin; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
    hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
    return (hash ^ hash >>> 16) >>> 0;
  }
}

/** The memory of an array, twice as large. The array itself is empty after that, so that nothing waits to be collected. */
export function enlarged(array: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): ArrayBuffer {
  return array.buffer.transfer(2 * array.byteLength);
}
