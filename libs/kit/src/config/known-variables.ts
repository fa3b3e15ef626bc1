// Every SWITCHYARD_* variable of every option table, so that one environment can configure all services: a variable
// of another service is no mistake, a misspelt one is. Written by tools/docs/env.mjs; do not edit.
export const knownVariables: ReadonlySet<string> = new Set([]);
