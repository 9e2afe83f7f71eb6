/** The names of a release: the scope and the version, and how they replace those of the repository. @module */

/** The name of the package in this repository. Every file of a release has another scope. */
export const PACKAGE_NAME = "@x/taskrunner";

/** A scope and a version that the registries accept. */
export interface ReleaseNames {
  /** The scope without `@`, such as `acme`. */
  scope: string;
  /** The version, such as `1.2.3` or `1.2.3-rc.1`. */
  version: string;
}

/** SemVer 2.0 without build metadata. */
const VERSION = (() => {
  const number = "(?:0|[1-9]\\d*)";
  const identifier = `(?:${number}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
  return new RegExp(`^${number}\\.${number}\\.${number}(?:-${identifier}(?:\\.${identifier})*)?$`);
})();

/**
 * Checks the scope. JSR takes 2 to 20 lower-case letters, digits and single hyphens, with no hyphen at an end; npm takes
 * all of these, too. JSR also takes dots, npm does not for new accounts.
 *
 * @throws `RangeError` that states what the registries accept.
 */
export function checkScope(scope: string): string {
  const reject = (problem: string): never => {
    throw new RangeError(`Cannot release with the scope ${JSON.stringify(scope)}: ${problem}`);
  };
  if (scope.startsWith("@")) reject(`write it without @, as in --scope ${scope.slice(1) || "acme"}`);
  if (scope.includes("/")) reject("write only the part before the slash, as in --scope acme for @acme/taskrunner");
  if (scope.length < 2 || scope.length > 20) reject(`it must have 2 to 20 characters, not ${scope.length}`);
  if (!/^[a-z0-9-]*$/.test(scope)) reject("it must consist of lower-case letters, digits and hyphens");
  if (/^-|-$|--/.test(scope)) reject("a hyphen must be between two letters or digits");
  return scope;
}

/**
 * Checks the version.
 *
 * @throws `RangeError` that states what the registries accept.
 */
export function checkVersion(version: string): string {
  const reject = (problem: string): never => {
    throw new RangeError(`Cannot release the version ${JSON.stringify(version)}: ${problem}`);
  };
  if (/^v\d/.test(version)) reject(`write it without v, as in --version ${version.slice(1)}`);
  if (version.includes("+")) reject("npm ignores build metadata, so write it without the part from +");
  if (!VERSION.test(version)) reject("it must be a version of SemVer, such as 1.2.3 or 1.2.3-rc.1");
  return version;
}

/** Returns the name of the package of a release. */
export function packageName({ scope }: ReleaseNames): string {
  return `@${scope}/taskrunner`;
}

/** Returns a text with the name of the package of a release, also where a URL has it in an encoded form. */
export function renamed(text: string, names: ReleaseNames): string {
  const name = packageName(names);
  return text.replaceAll(PACKAGE_NAME, name).replaceAll(
    encodeURIComponent(PACKAGE_NAME),
    encodeURIComponent(name),
  );
}

/** Returns the module `text/version.ts`, or its JavaScript or declarations, for a version and its date. */
export function withVersion(module: string, version: string, date: string): string {
  let count = 0;
  const replace = (text: string, name: string, value: string) =>
    text.replace(new RegExp(`\\b(${name}(?: =|:) )"[^"]*"`), (_, start) => {
      count++;
      return `${start}"${value}"`;
    });
  const text = replace(replace(module, "VERSION", version), "VERSION_DATE", date);
  if (count !== 2) throw new Error("Cannot set the version: text/version does not define VERSION and VERSION_DATE");
  return text;
}
