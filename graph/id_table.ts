const MAX_TEXT_BYTES = 2 ** 32 - 1;
/** Never a byte of UTF-8: the first byte of an id in UTF-16. */
const NOT_WELL_FORMED = 0xff;

/** Length of the ids that are encoded into {@linkcode shortId}, in UTF-16. */
const MAX_SHORT_LENGTH = 128;

const encoder = new TextEncoder();
/** The bytes of the latest short id: an array for each would cost the garbage collector more than the table costs. */
const shortId = new Uint8Array(3 * MAX_SHORT_LENGTH);
/** Begins with the bytes of the id that was encoded last. */
let latest: Uint8Array = shortId;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Returns the bytes that stand for an id in an {@linkcode IdTable}: UTF-8, or UTF-16 for ids with lone surrogates. */
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

/** Encodes an id into {@linkcode latest}, as {@linkcode bytesOfId} does. Returns the number of bytes. */
function encode(id: string): number {
  const isShort = id.length <= MAX_SHORT_LENGTH && id.isWellFormed();
  latest = isShort ? shortId : bytesOfId(id);
  return isShort ? encoder.encodeInto(id, shortId).written : latest.length;
}

/** Returns the id that bytes stand for. */
function idOfBytes(bytes: Uint8Array): string {
  if (bytes[0] !== NOT_WELL_FORMED) return decoder.decode(bytes);
  let id = "";
  for (let index = 1; index < bytes.length; index += 2) {
    id += String.fromCharCode(bytes[index]! | bytes[index + 1]! << 8);
  }
  return id;
}

/**
 * Hash table that numbers ids, from 0 in the order of their first use. Ids are bytes in a few large arrays, which take a
 * third of the memory of strings in a `Map` and leave the garbage collector nothing to do. Ids are compared byte by byte,
 * so that two ids with the same hash stay apart.
 */
export class IdTable {
  /** All ids, concatenated. */
  #text = new Uint8Array(1024);
  /** The end of each id in the text. */
  #ends = new Uint32Array(64);
  /** Open addressing: the number of an id plus 1, or 0 for a free slot. At least half of the slots are free. */
  #slots = new Uint32Array(128);
  #size = 0;
  /** The successor of the last id: tasks mostly come in the order of their results. */
  #expected = 0;
  readonly #seed: number;

  /** @param seed seed of the hashes, random so that nobody can prepare ids that collide. */
  constructor(seed: number = Math.floor(Math.random() * 2 ** 32)) {
    this.#seed = seed;
  }

  /** Number of ids. */
  get size(): number {
    return this.#size;
  }

  /** Size of the table in memory, in bytes. */
  get heldBytes(): number {
    return this.#text.byteLength + this.#ends.byteLength + this.#slots.byteLength;
  }

  /** Returns the number of an id; a new id gets the next number. */
  add(bytes: Uint8Array, begin: number, end: number): number {
    if (this.#expected < this.#size && this.#isSame(this.#expected, bytes, begin, end)) return this.#expected++;
    const slot = this.#slotOf(bytes, begin, end);
    if (this.#slots[slot] !== 0) {
      const number = this.#slots[slot]! - 1;
      this.#expected = number + 1;
      return number;
    }
    const number = this.#append(bytes, begin, end);
    this.#expected = this.#size;
    if (2 * this.#size > this.#slots.length) this.#addSlots();
    else this.#slots[slot] = number + 1;
    return number;
  }

  /** {@linkcode add} for an id as text. */
  addText(id: string): number {
    const end = encode(id);
    return this.add(latest, 0, end);
  }

  /** Returns the number of an id, or -1 for an unknown id. */
  find(bytes: Uint8Array, begin: number, end: number): number {
    return this.#slots[this.#slotOf(bytes, begin, end)]! - 1;
  }

  /** {@linkcode find} for an id as text. */
  findText(id: string): number {
    const end = encode(id);
    return this.find(latest, 0, end);
  }

  /** Returns the id with a number. */
  idOf(number: number): string {
    return idOfBytes(this.#text.subarray(this.#beginOf(number), this.#ends[number]!));
  }

  /** Returns the slot of an id, or the free slot where the id belongs. */
  #slotOf(bytes: Uint8Array, begin: number, end: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(bytes, begin, end) & mask;
    while (this.#slots[slot] !== 0 && !this.#isSame(this.#slots[slot]! - 1, bytes, begin, end)) slot = slot + 1 & mask;
    return slot;
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
    // Backwards, because ids that end in a counter differ there.
    for (let from = end; from > begin;) if (this.#text[--at] !== bytes[--from]) return false;
    return true;
  }

  /** Doubles the slots and enters all numbers again. */
  #addSlots(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = this.#hash(this.#text, this.#beginOf(number), this.#ends[number]!) & mask;
      while (slots[slot] !== 0) slot = slot + 1 & mask;
      slots[slot] = number + 1;
    }
    this.#slots.buffer.transfer(0); // frees the memory now, not at a garbage collection
    this.#slots = slots;
  }

  /** FNV-1a with the finalizer of MurmurHash3. */
  #hash(bytes: Uint8Array, begin: number, end: number): number {
    let hash = this.#seed;
    for (let at = begin; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
    hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
    return (hash ^ hash >>> 16) >>> 0;
  }
}

/** Returns the memory of an array, doubled. The array is empty afterwards, so that nothing waits for a garbage collection. */
export function enlarged(array: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): ArrayBuffer {
  return array.buffer.transfer(2 * array.byteLength);
}
