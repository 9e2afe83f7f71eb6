import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { bytesOfId, IdTable } from "../../graph/id_table.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("addText() numbers ids as add() does, and idOf() returns them", () => {
  const id = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ unit: fc.constantFrom("a", "é", "€", "\ud800", "😀"), maxLength: 140 }),
  );
  const property = fc.property(fc.array(id), (ids) => {
    const [texts, bytes] = [new IdTable(), new IdTable()];
    const known = [...new Set(ids)];
    for (const id of [...ids, ...ids]) {
      const key = bytesOfId(id);
      const number = texts.addText(id);
      assertEquals([number, texts.idOf(number)], [bytes.add(key, 0, key.length), id]);
      assertEquals(number, known.indexOf(id));
    }
    assertEquals(texts.size, known.length);
  });
  fc.assert(property, { numRuns: 200 * EFFORT, seed: SEED });
});
