// The methods that --method knows.
import type { Method } from './method.js';
import { rtn } from './rtn.js';

export const METHODS: readonly Method[] = [rtn];

const names = METHODS.map((method) => method.name).join(', ');

/** @throws Error that lists the names, for one that is none of them. */
export function findMethod(name: string): Method {
  const method = METHODS.find((one) => one.name === name);
  if (!method) throw new Error(`unknown method '${name}'; known: ${names}`);
  return method;
}
