// @ts-self-types="./rejects.d.ts"
export * from "deno-std/assert/rejects.js";
