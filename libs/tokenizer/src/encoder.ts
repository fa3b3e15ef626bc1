// Text to token ids, as Hugging Face's Rust tokenizers do it: added tokens are found, what lies between is normalised, cut and merged.
// Made by Tokenizer. Source: https://github.com/huggingface/tokenizers, tokenizers/src/tokenizer/mod.rs and added_vocabulary.rs.
import { AddedTokenFinder } from './added-token-finder.js';
import { Bpe } from './bpe.js';
import { makeNormalizer, type Normalizer } from './normalizer.js';
import { readPostProcessor, type Surroundings } from './post-processor.js';
import { makePreTokenizer, type PreTokenizer } from './pre-tokenizer.js';
import type { TokenizerTables } from './tables.js';
import type { AddedToken } from './vocabulary.js';

/** Finders for the tokens that are looked for in the text as it is, and for those looked for when it is normalised. */
interface Finders {
  raw: AddedTokenFinder;
  normalized: AddedTokenFinder;
}

/** A stretch as the text has it or normalised. isStart: it begins the whole text. */
interface Part {
  id: number | null;
  text: string;
  isStart: boolean;
}

/** Encoder of one model. */
export class Encoder {
  readonly #normalizer: Normalizer;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: Bpe;
  readonly #surroundings: Surroundings;
  readonly #finders: Finders;
  /** For texts in which special tokens are only text. */
  readonly #plainFinders: Finders;
  /** Whether no text has fewer bytes in its tokens than UTF-16 units itself. */
  readonly keepsLength: boolean;

  /** @throws TokenizerError naming what is not supported. */
  constructor({ settings, texts, merges }: TokenizerTables) {
    const { addedTokens } = settings;
    this.#normalizer = makeNormalizer(settings.normalizer);
    this.#preTokenizer = makePreTokenizer(settings.preTokenizer);
    this.#model = new Bpe({ settings: settings.bpe, texts, merges });
    this.#surroundings = readPostProcessor(settings.postProcessor);
    this.#finders = makeFinders(addedTokens);
    this.#plainFinders = makeFinders(addedTokens.filter((token) => !token.special));
    this.keepsLength =
      this.#normalizer.keepsLength &&
      this.#preTokenizer.keepsLength &&
      this.#model.coversAllBytes &&
      addedTokens.every((token) => !token.lstrip && !token.rstrip);
  }

  /**
   * @param parseSpecial Reads the text of special tokens as these tokens.
   * @param addSpecial Adds what the model puts around a text.
   */
  encode(text: string, parseSpecial: boolean, addSpecial: boolean): number[] {
    const finders = parseSpecial ? this.#finders : this.#plainFinders;
    const ids: number[] = addSpecial ? [...this.#surroundings.before] : [];
    for (const part of this.#parts(wellFormed(text), finders)) {
      if (part.id !== null) ids.push(part.id);
      else this.#encodePart(part, ids);
    }
    if (addSpecial) ids.push(...this.#surroundings.after);
    return ids;
  }

  /** Added tokens, and normalised texts that hold none. */
  #parts(text: string, finders: Finders): Part[] {
    return cut({ id: null, text, isStart: true }, finders.raw).flatMap((part) => {
      if (part.id !== null) return [part];
      return cut({ ...part, text: this.#normalizer.apply(part.text) }, finders.normalized);
    });
  }

  #encodePart({ text, isStart }: Part, ids: number[]): void {
    for (const piece of this.#preTokenizer.cut(text, isStart)) {
      for (const id of this.#model.encode(piece)) ids.push(id);
    }
  }
}

function makeFinders(tokens: readonly AddedToken[]): Finders {
  return {
    raw: new AddedTokenFinder(tokens.filter((token) => !token.normalized)),
    normalized: new AddedTokenFinder(tokens.filter((token) => token.normalized)),
  };
}

function cut(part: Part, finder: AddedTokenFinder): Part[] {
  return finder.find(part.text).map(({ id, start, end }) => {
    return { id, text: part.text.slice(start, end), isStart: part.isStart && start === 0 };
  });
}

/** Lone surrogates become U+FFFD, as in UTF-8. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD');
}
