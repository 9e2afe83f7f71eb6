import { stat } from "node:fs/promises";
import type { Source } from "../jsonl/source.ts";
import type { RandomAccess } from "../system/random_access_file.ts";
import { readChunks } from "../system/read_chunks.ts";
import { systemReason } from "../system/system_error.ts";
import { excerpt } from "../text/excerpt.ts";
import type { Io } from "./io.ts";

/** Bytes of a file or of standard input. */
export interface ByteSource {
  /** The name in messages. */
  readonly name: string;
  /** Set if the bytes can be read twice. */
  readonly isRepeatable: boolean;
  readonly open: () => Source<Uint8Array>;
  /** The path of a regular file. */
  readonly path?: string | undefined;
  /** Returns the copy of an input that has been read to its end. The caller closes the copy. */
  readonly keepCopy?: (() => RandomAccess) | undefined;
}

/** The contents of bytes, for messages. */
export interface ByteContents {
  /** The plural of what the bytes hold, such as `tasks`. */
  readonly noun: string;
  /** The format of a file, such as `a file of JSON Lines`. */
  readonly format: string;
  /** The message before bytes are read from a terminal. */
  readonly terminalHint: string;
}

/**
 * Returns the bytes of a file, or of standard input if the path is `-`.
 *
 * @throws an error with the reason if the file cannot be read.
 */
export async function openBytes(path: string, contents: ByteContents, io: Io): Promise<ByteSource> {
  if (path === "-") {
    if (io.stdinIsTerminal) await io.stderr(`taskrunner: ${contents.terminalHint}; press Ctrl-D to end`);
    const { copiesInput: isRepeatable = false, keepStdin: keepCopy } = io;
    return { name: "standard input", isRepeatable, open: () => io.stdin(), keepCopy };
  }
  const status = await stat(path).catch((error) => {
    throw new Error(`Cannot read ${contents.noun} from ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
  });
  if (status.isDirectory()) {
    throw new Error(`Cannot read ${contents.noun} from ${excerpt(path)}: it is a directory, not ${contents.format}`);
  }
  if (status.isFile()) return { name: path, isRepeatable: true, open: () => readChunks(path), path };
  const { readSpecialFile } = await import("../system/special_file.ts");
  const open = () => readSpecialFile(path, io.signal);
  if (!io.copiesInput) return { name: path, isRepeatable: false, open };
  const { InputCopy } = await import("./input_copy.ts");
  const copy = new InputCopy(open);
  return { name: path, isRepeatable: true, open: () => copy.open(), keepCopy: () => copy.keep() };
}
