import type { ColorMode } from "./tag.ts";

/** The form of the results on standard output. */
export type OutputFormat = "text" | "json" | "none";

/** The settings of the output of a run. */
export interface OutputSettings {
  /** The path of the results file; undefined for none. */
  file: string | undefined;
  /** The form of the results on standard output. */
  format: OutputFormat;
  /** Puts the id before each line of text. */
  hasTags: boolean;
  /** Writes lines of text while their tasks run. */
  byLine: boolean;
  color: ColorMode;
}
