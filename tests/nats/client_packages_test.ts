/** Compares the types of this project for the client of NATS with those of its packages. */

import { assertEquals } from "@std/assert/equals";
import type { JetStreamPackage, ObjectsPackage, TransportPackage } from "../../nats/client/packages.ts";
import { test } from "../support/test.ts";

/** Returns its argument, whose type the compiler compares. */
const as = <T>(value: T): T => value;

test("the packages of the NATS client have the types that the client uses", async () => {
  const packages = [
    as<TransportPackage>(await import("@nats-io/transport-node")),
    as<JetStreamPackage>(await import("@nats-io/jetstream")),
    as<ObjectsPackage>(await import("@nats-io/obj")),
  ];
  assertEquals(packages.length, 3);
});
