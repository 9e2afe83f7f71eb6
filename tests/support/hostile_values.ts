/** A command that creates the file `canary`, as a sign that a value ran as a command. */
export const DANGER = ": >canary";

/** Values that run {@linkcode DANGER} wherever a shell takes them for more than text. */
export const RUNNING_VALUES: readonly string[] = [
  `$(${DANGER})`,
  `\`${DANGER}\``,
  `'; ${DANGER}; '`,
  `"; ${DANGER}; "`,
  `\n${DANGER}\n`,
  `\\'; ${DANGER}; #`,
  `); ${DANGER}; (`,
  `}; ${DANGER}; {`,
];
