// Checkpoints with more, less or other tensors than the configuration says, and with several types of floats side by side.
import { describe, expect, test } from 'vitest';
import { makeWeightPlan, parseModelConfig, type WeightTensor } from '../src/index.js';
import type { PlainDtype } from '../src/spec.js';
import { fillTemplate, listTensors } from '../src/tensor-list.js';
import { configs } from './families.js';

const HEAD = 'lm_head.weight';
const specOf = (change: Record<string, unknown> = {}) => parseModelConfig({ ...configs().qwen3, ...change });

/** A checkpoint of the family's, each tensor of the next type of the list. */
function checkpoint(spec = specOf(), dtypes: readonly PlainDtype[] = ['BF16']): WeightTensor[] {
  return [...listTensors(spec)].map((expected, i) => ({
    name: fillTemplate(expected.template, expected),
    file: 'f',
    offset: 0,
    bytes: 0,
    dtype: dtypes[i % dtypes.length] as PlainDtype,
    shape: expected.shape,
  }));
}

test('tensors of all plain types may stand side by side', () => {
  const tensors = checkpoint(specOf(), ['F32', 'BF16', 'F16']);
  const { plan } = makeWeightPlan(specOf(), tensors, 'd');
  expect(plan.tensors.map(({ dtype }) => dtype)).toEqual(tensors.map(({ dtype }) => dtype));
});

describe('an output layer', () => {
  test('beside tied embeddings is not used', () => {
    const { plan, unused } = makeWeightPlan(specOf({ tie_word_embeddings: true }), checkpoint(), 'd');
    expect(unused).toEqual([HEAD]);
    expect(plan.tensors.some(({ name }) => name === HEAD)).toBe(false);
  });

  test('that is missing beside untied embeddings is refused', () => {
    const rest = checkpoint().filter(({ name }) => name !== HEAD);
    expect(() => makeWeightPlan(specOf(), rest, 'd')).toThrow(`missing ${HEAD}`);
  });
});

test.each([
  ['language_model.', (name: string) => `language_model.${name}`, 'language_model.model.embed_tokens.weight'],
  ['no model.', (name: string) => name.replace(/^model\./, ''), 'embed_tokens.weight'],
])('names with %s in front are refused by one of them', (_, rename, shown) => {
  const tensors = checkpoint().map((tensor) => ({ ...tensor, name: rename(tensor.name) }));
  expect(() => makeWeightPlan(specOf(), tensors, 'd')).toThrow(
    `and perhaps more; there is ${shown}, and names with other prefixes are not supported`,
  );
});
