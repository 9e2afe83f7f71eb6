/** True on Bun, whose transpiler escapes characters beyond ASCII in the raw text of templates. */
const ESCAPES_RAW_TEXT = String.raw`é` !== "é";

/**
 * The escapes that Bun creates. An even number of backslashes precedes them: after an odd number, `\u` would be plain
 * text.
 */
const BUN_ESCAPE = /(?<!\\)((?:\\\\)*)\\u(?:([0-9A-F]{4})|\{([0-9a-f]+)\})/g;

/**
 * Returns the raw text of a part of a template literal, as in the source. On Bun, a `\u00E9` in the source is returned
 * as `é`, because the raw text on Bun does not distinguish the two.
 */
export function rawTextOf(raw: string): string {
  if (!ESCAPES_RAW_TEXT) return raw;
  return raw.replace(BUN_ESCAPE, (escape: string, before: string, hex?: string, long?: string) => {
    const codePoint = parseInt(hex ?? long!, 16);
    return codePoint < 0x80 ? escape : before + String.fromCodePoint(codePoint);
  });
}
