const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** Returns the CRC-32 of a range of bytes, as zlib computes it, without a view of each range. */
export function crc32OfRange(bytes: Uint8Array, begin: number, end: number): number {
  let crc = -1;
  for (let at = begin; at < end; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ crc >>> 8;
  return ~crc >>> 0;
}
