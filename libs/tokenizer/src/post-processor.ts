// The post-processor of a tokenizer.json: the tokens that a model wants around a text. Called by Encoder.
import { TokenizerError } from './error.js';
import { isId, isObject, optionalArray, requireObject, typeOf, unsupportedType } from './json.js';

/** Token ids to put before and behind a text. */
export interface Surroundings {
  before: readonly number[];
  after: readonly number[];
}

type Reader = (json: Record<string, unknown>, field: string) => Surroundings;

const NOTHING: Surroundings = { before: [], after: [] };

const readers: Readonly<Record<string, Reader>> = {
  // Changes offsets only.
  ByteLevel: () => NOTHING,
  TemplateProcessing: readTemplate,
  Sequence(json, field) {
    const list = optionalArray(json.processors, `${field}.processors`);
    const parts = list.map((part, i) => readOne(part, `${field}.processors.${i}`));
    return {
      before: parts.toReversed().flatMap((part) => part.before),
      after: parts.flatMap((part) => part.after),
    };
  },
};

/** @param json The `post_processor` of a tokenizer.json. @throws TokenizerError naming what is not supported. */
export function readPostProcessor(json: unknown): Surroundings {
  return json === undefined || json === null ? NOTHING : readOne(json, 'tokenizer.json:post_processor');
}

function readOne(json: unknown, field: string): Surroundings {
  const reader = Object.hasOwn(readers, typeOf(json)) ? readers[typeOf(json)] : undefined;
  if (!reader) throw unsupportedType(field, json, readers);
  return reader(json as Record<string, unknown>, field);
}

/** `single` is a list of {SpecialToken: {id}}, an entry of `special_tokens`, and one {Sequence: {id: "A"}}, the text. */
function readTemplate(json: Record<string, unknown>, field: string): Surroundings {
  const items = optionalArray(json.single, `${field}.single`);
  const textIdx = items.findIndex((item) => isObject(item) && isObject(item.Sequence));
  if (textIdx < 0) throw new TokenizerError(`${field}.single`, 'has no place for the text');
  const specials = requireObject(json.special_tokens ?? {}, `${field}.special_tokens`);
  const idsOf = (item: unknown, idx: number) => specialIds(item, specials, `${field}.single.${idx}`);
  return {
    before: items.slice(0, textIdx).flatMap(idsOf),
    after: items.slice(textIdx + 1).flatMap((item, i) => idsOf(item, textIdx + 1 + i)),
  };
}

function specialIds(item: unknown, specials: Record<string, unknown>, field: string): readonly number[] {
  const token = isObject(item) && isObject(item.SpecialToken) ? String(item.SpecialToken.id) : undefined;
  const entry = token !== undefined && Object.hasOwn(specials, token) ? specials[token] : undefined;
  const ids = isObject(entry) ? entry.ids : undefined;
  if (Array.isArray(ids) && ids.every(isId)) return ids;
  throw new TokenizerError(field, 'must be a special token with ids');
}
