const MAX_CHARACTERS = 200;

/** Truncates a long text and appends an ellipsis. Never splits a surrogate pair. */
export function truncate(text: string, maxCharacters = MAX_CHARACTERS): string {
  if (text.length <= maxCharacters) return text;
  return `${text.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, "")}…`;
}
