/** Reads the changelog. @module */

/** The section of a version. */
export interface VersionNotes {
  /** The date of the version, as `YYYY-MM-DD`. */
  date: string;
  /** The text of the section, without its heading, as Markdown. */
  text: string;
}

/**
 * Returns the section of a version. Relative links become their text, because the notes of a release are at another
 * address than the changelog.
 *
 * @throws `Error` when the changelog has no such section, or the section has no text.
 */
export function versionNotes(changelog: string, version: string): VersionNotes {
  const sections = changelog.split(/^(?=## \[)/m);
  const heading = `## [${version}] - `;
  const section = sections.find((text) => text.startsWith(heading));
  const [, date] = /^(\d{4}-\d{2}-\d{2})\s/.exec(section?.slice(heading.length) ?? "") ?? [];
  if (section === undefined || date === undefined) {
    throw new Error(
      `Cannot release ${version}: CHANGELOG.md has no section "${heading}YYYY-MM-DD"; rename [Unreleased] to it`,
    );
  }
  const body = section.slice(section.indexOf("\n") + 1);
  const text = body.replace(/^\[[^\]]+\]: \S+$/gm, "").replace(/\[([^\]]+)\]\((?![a-z]+:)[^)]*\)/g, "$1").trim();
  if (text === "") throw new Error(`Cannot release ${version}: its section of CHANGELOG.md is empty`);
  return { date, text: `${text}\n` };
}
