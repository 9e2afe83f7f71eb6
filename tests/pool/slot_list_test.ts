import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { SlotList } from "../../pool/slot_list.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("SlotList keeps slots as a Set does", () => {
  const change = fc.record({ index: fc.nat(8), isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const list = new SlotList();
      const expected = new Set<number>();
      for (const { index, isAdded } of changes) {
        if (isAdded) expected.add(index);
        else expected.delete(index);
        if (isAdded) list.add(index);
        else list.delete(index);
        const indexes = [...expected];
        assertEquals([list.indexes(), list.size, list.first], [indexes, indexes.length, indexes[0]]);
      }
    }),
    { seed: SEED, numRuns: 100 * EFFORT },
  );
});
