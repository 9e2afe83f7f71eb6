import { type Source, SourceReader } from "../../jsonl/source.ts";
import { UnnamedFile } from "../../system/unnamed_file.ts";
import type { Io } from "../io.ts";
import { openResultsSource } from "../results_input.ts";

/** Results that can be read several times. */
export interface RepeatableResults {
  /** Opens the results. Returns the same bytes each time. */
  open(): Source<Uint8Array>;
  close(): void;
}

/**
 * Opens a results file for several readings; `-` is standard input. Copies what is not a regular file to a temporary file
 * without a name. Skips an incomplete last line, as a run in progress may leave one, with a message.
 */
export async function openRepeatable(path: string, io: Io): Promise<RepeatableResults> {
  const { isRepeatable, open } = await openResultsSource(path, io);
  return isRepeatable ? { open, close: () => {} } : await copyOf(open());
}

async function copyOf(source: Source<Uint8Array>): Promise<RepeatableResults> {
  const copy = new UnnamedFile();
  try {
    const reader = new SourceReader(source);
    for (let next = await reader.next(); !next.done; next = await reader.next()) copy.write(next.value);
  } catch (error) {
    copy.close();
    throw error;
  }
  return { open: () => copy.chunks(), close: () => copy.close() };
}
