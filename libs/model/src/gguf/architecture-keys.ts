// Metadata of a GGUF file's architecture, by keys without the architecture in front. Used by the readers of its settings.
import type { MetadataView } from './metadata.js';

export class ArchitectureKeys {
  constructor(
    readonly metadata: MetadataView,
    private readonly architecture: string,
  ) {}

  get(key: string): unknown {
    return this.metadata.get(this.#full(key));
  }

  number(key: string): number | undefined {
    return this.metadata.number(this.#full(key));
  }

  text(key: string): string | undefined {
    return this.metadata.text(this.#full(key));
  }

  /** What errors call a key. */
  name(key: string): string {
    return `${this.metadata.file}:${this.#full(key)}`;
  }

  #full(key: string): string {
    return `${this.architecture}.${key}`;
  }
}
