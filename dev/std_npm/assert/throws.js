// @ts-self-types="./throws.d.ts"
export * from "deno-std/assert/throws.js";
