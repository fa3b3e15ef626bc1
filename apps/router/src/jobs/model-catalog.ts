// The models that the router offers, by name, each with the TEs that serve it. Made by wiring.ts; asked by both public APIs for what
// there is, and by job-runner.ts for where a job goes. A model knows no TE of another, so that nothing of theirs can pair.
import { ServiceError } from '@switchyard/kit';
import type { RouterModel } from './router-model.js';
import { type MembershipView, TeDirectory } from './te-directory.js';

export class ModelCatalog {
  /** In the order they were given. */
  readonly models: readonly RouterModel[];
  readonly #directories: ReadonlyMap<string, TeDirectory>;

  /** @param models at least one, of different names */
  constructor(view: MembershipView, models: readonly RouterModel[]) {
    this.models = models;
    this.#directories = new Map(models.map((model) => [model.name, new TeDirectory(view, model)]));
  }

  /** The model that a request names. Throws MODEL_NOT_FOUND. */
  find(name: string): RouterModel {
    const model = this.models.find((offered) => offered.name === name);
    if (model) return model;
    const names = this.models.map((offered) => `'${offered.name}'`).join(', ');
    throw new ServiceError('MODEL_NOT_FOUND', `the model '${name}' does not exist; this service has ${names}`, {
      field: 'model',
    });
  }

  /** The TEs of an offered model. */
  directoryOf(name: string): TeDirectory {
    const directory = this.#directories.get(name);
    if (directory) return directory;
    throw new Error(`assertion failed: the router does not offer ${name}`);
  }

  /** What keeps models from being served, in words; empty when all can be. */
  missing(): string[] {
    return [...this.#directories.values()].flatMap((directory) => directory.missing());
  }

  /** Whether a request for some model can be answered now. */
  get servesAny(): boolean {
    return [...this.#directories.values()].some((directory) => directory.missing().length === 0);
  }
}
