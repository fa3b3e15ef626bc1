// The one error of this library. Callers map it once, at their edge.

/** Tokenizer files that cannot be used, or input that the model's chat template refuses. */
export class TokenizerError extends Error {
  override readonly name = 'TokenizerError';

  /**
   * @param field What is wrong: a path such as "tokenizer.json:decoder", or "messages" when the template refuses them.
   * @param problem What is wrong with it, in words for the person who reads it.
   */
  constructor(
    readonly field: string,
    readonly problem: string,
  ) {
    super(`${field}: ${problem}`);
  }
}
