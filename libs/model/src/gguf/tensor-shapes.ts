// What a GGUF file's configuration must know of its tensors: which are there, and how long. Used by gguf/config.ts.
import { ModelError } from '../error.js';
import type { GgufHeader } from './header.js';

export class TensorShapes {
  readonly #nameToShape: ReadonlyMap<string, number[]>;
  readonly #file: string;

  constructor({ tensors, metadata }: GgufHeader) {
    this.#nameToShape = new Map(tensors.map(({ name, shape }) => [name, shape]));
    this.#file = metadata.file;
  }

  has(name: string): boolean {
    return this.#nameToShape.has(name);
  }

  hasAny(pattern: RegExp): boolean {
    return [...this.#nameToShape.keys()].some((name) => pattern.test(name));
  }

  rows(name: string): number {
    const rows = this.#nameToShape.get(name)?.[0];
    if (rows === undefined) throw new ModelError(name, `is missing in ${this.#file}`);
    return rows;
  }
}
