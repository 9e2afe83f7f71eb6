const MAX_CHARACTERS = 200;

/** The text, cut when it is too long to be read, and not within a character. */
export function shortened(text: string, maxCharacters = MAX_CHARACTERS): string {
  if (text.length <= maxCharacters) return text;
  return `${text.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, "")}…`;
}
