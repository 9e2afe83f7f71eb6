const MAX_CHARACTERS = 200;

/** Cuts off a text that is too long to read, but never within a character. */
export function shortened(text: string, maxCharacters = MAX_CHARACTERS): string {
  if (text.length <= maxCharacters) return text;
  return `${text.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, "")}…`;
}
