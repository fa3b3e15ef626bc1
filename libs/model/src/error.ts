// The one error of this library: something in a model directory is not as it must be. Callers map it once, at their edge.

/** A model that cannot be served, and why. */
export class ModelError extends Error {
  override readonly name = 'ModelError';

  /**
   * @param field What is wrong: a path such as "config.json:rope_scaling" or the name of a tensor.
   * @param problem What is wrong with it, in words for the person who runs the service.
   */
  constructor(
    readonly field: string,
    readonly problem: string,
  ) {
    super(`${field}: ${problem}`);
  }
}
