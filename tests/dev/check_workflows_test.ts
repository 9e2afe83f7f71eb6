import { assertEquals } from "@std/assert/equals";
import { RUNTIME } from "../support/helpers.ts";
import { test } from "../support/test.ts";

// GitHub's packages for workflows load in Bun only.
if (RUNTIME === "bun") {
  const { findOffenses } = await import("../../dev/check_workflows.ts");

  const workflow = (steps: string) =>
    `on: push\npermissions: {}\njobs:\n  test:\n    runs-on: ubuntu-24.04\n    steps:\n${steps}`;

  test("findOffenses() accepts a workflow with pinned actions", async () => {
    const text = workflow(
      "      - uses: actions/checkout@v5.0.0\n      - uses: ./here\n      - run: echo ${{ github.sha }}\n",
    );
    assertEquals(await findOffenses("a.yml", text), []);
  });

  test("findOffenses() names the line of an unknown key, a wrong expression and an unknown job", async () => {
    const text = workflow("      - run: echo ${{ github.sha( }}\n        shells: {}\n    needs: [other]\n");
    const lines = (await findOffenses("a.yml", text)).map((offense) => offense.split(" ")[0]);
    assertEquals([...new Set(lines)], [4, 7, 8, 9].map((line) => `.github/workflows/a.yml:${line}:`));
  });

  test("findOffenses() asks for versions of actions and for named permissions", async () => {
    const text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    permissions: write-all\n    steps:\n" +
      "      - uses: actions/checkout@v5\n      - uses: actions/cache@main # newest\n";
    assertEquals(
      (await findOffenses("a.yml", text)).map((offense) => offense.slice(".github/workflows/a.yml:".length)),
      [
        "1: no permissions at the top level: add `permissions: {}`, and what a job needs to the job",
        "5: write-all: name the permissions",
        "7: actions/checkout@v5: pin the action to a version such as @v1.2.3",
        "8: actions/cache@main: pin the action to a version such as @v1.2.3",
      ],
    );
  });
}
