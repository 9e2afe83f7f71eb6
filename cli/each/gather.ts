import { encodeByteText } from "../../text/byte_text.ts";
import type { Row } from "./sources.ts";

/** The number of rows of a command: at most a number, or all that fit into a number of bytes. */
export type GroupSize = { readonly rows: number } | { readonly bytes: number };

/** The limit of `-n max`: the default of xargs for the size of a command. */
export const MAX_COMMAND_BYTES = 128 * 1024;

/**
 * Gathers rows into groups: the values of each group follow one another. The last group may be smaller; a row that does not fit is
 * a group.
 *
 * @param bytesOf returns the size of a command with the values of some rows.
 */
export async function* gather(
  rows: AsyncIterable<Row>,
  size: GroupSize,
  bytesOf: (values: Row) => number,
): AsyncGenerator<Row, void> {
  const emptyBytes = "bytes" in size ? bytesOf([]) : 0;
  let group: string[] = [];
  let count = 0;
  let bytes = emptyBytes;
  for await (const row of rows) {
    if ("bytes" in size) {
      // At least its own size, also if the command has only a part of it: the rows of a group are held in memory.
      const rowBytes = Math.max(bytesOfValues(row), bytesOf([...row, ...row]) - bytesOf(row));
      if (count > 0 && bytes + rowBytes > size.bytes) {
        yield group;
        [group, count, bytes] = [[], 0, emptyBytes];
      }
      bytes += rowBytes;
    }
    group.push(...row);
    count++;
    if ("rows" in size && count === size.rows) {
      yield group;
      [group, count] = [[], 0];
    }
  }
  if (count > 0) yield group;
}

function bytesOfValues(row: Row): number {
  return row.reduce((sum, value) => sum + encodeByteText(value).length + 1, 0);
}
