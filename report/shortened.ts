const MAX_CHARACTERS = 200;

/** The text, cut when it is too long to be read. */
export function shortened(text: string, maxCharacters = MAX_CHARACTERS): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}…`;
}
