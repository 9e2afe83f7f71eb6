/** The module that the process of a `TaskRunner` starts with. @module */

import process from "node:process";
import { enableCompileCache } from "../system/compile_cache.ts";
import { isEntryPoint } from "../system/entry_point.ts";

// In a bundle, this module must not replace the program.
if (isEntryPoint(import.meta, "isolate/main")) {
  process.exitCode = 255; // a promise that never settles must not look like success
  enableCompileCache("taskrunner"); // for the modules that are loaded from now on
  // Not awaited, because `require` cannot load a module with a top-level await.
  import("./server.ts").then(({ serve }) => serve()).then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
  });
}
