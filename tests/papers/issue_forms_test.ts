import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { parse } from "yaml";
import { PROJECT } from "../support/helpers.ts";
import { test } from "../support/test.ts";

interface Field {
  type: string;
  id?: string;
  attributes: { label?: string; value?: string; options?: unknown[] };
  validations?: { required?: boolean };
}

const DIRECTORY = join(PROJECT, ".github/ISSUE_TEMPLATE");
const TYPES = ["checkboxes", "dropdown", "input", "markdown", "textarea"];

// GitHub shows no form, and no error, for a file that breaks one of these rules.
test("every issue form has the fields that GitHub requires", async () => {
  const names = (await readdir(DIRECTORY)).filter((name) => name !== "config.yml");
  assert(names.length >= 2);
  for (const name of names) {
    const form: { name: string; description: string; body: Field[] } = parse(
      await readFile(join(DIRECTORY, name), "utf8"),
    );
    assert(form.name && form.description && form.body.some(({ type }) => type !== "markdown"), name);
    const ids = form.body.flatMap(({ id }) => id ?? []);
    assertEquals(new Set(ids).size, ids.length, `${name}: an id is used twice`);
    for (const { type, id, attributes } of form.body) {
      assert(TYPES.includes(type), `${name}: ${type}`);
      if (type === "markdown") assert(attributes.value, name);
      else assert(id && /^[\w-]+$/.test(id) && attributes.label, `${name}: ${id}`);
      if (type === "dropdown") assert(attributes.options!.every((option) => typeof option === "string"), name);
    }
  }
});
