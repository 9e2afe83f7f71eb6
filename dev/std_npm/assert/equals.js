// @ts-self-types="./equals.d.ts"
export * from "deno-std/assert/equals.js";
