/** A source of values on the command line. */
export interface ValueSource {
  /** The separator before the source. `:::` is followed by values, and `::::` by files; `+` links the source to the last one. */
  readonly separator: ":::" | ":::+" | "::::" | "::::+";
  /** The arguments up to the next separator. */
  readonly items: readonly string[];
}

const SEPARATORS: ReadonlySet<string> = new Set([":::", ":::+", "::::", "::::+"] satisfies ValueSource["separator"][]);

/** Splits off the sources of values, whose items may look like flags. */
export function splitSources(
  args: readonly string[],
): [args: readonly string[], sources: readonly ValueSource[]] {
  const begin = args.findIndex((argument) => SEPARATORS.has(argument));
  if (begin === -1) return [args, []];
  const sources: { separator: ValueSource["separator"]; items: string[] }[] = [];
  for (const argument of args.slice(begin)) {
    if (SEPARATORS.has(argument)) sources.push({ separator: argument as ValueSource["separator"], items: [] });
    else sources.at(-1)!.items.push(argument);
  }
  return [args.slice(0, begin), sources];
}
