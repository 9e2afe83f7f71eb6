// @ts-self-types="./string_includes.d.ts"
export * from "deno-std/assert/string_includes.js";
