// @ts-self-types="./match.d.ts"
export * from "deno-std/assert/match.js";
