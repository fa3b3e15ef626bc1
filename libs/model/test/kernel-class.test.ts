// Which models can be served in which kernel class.
import { expect, test } from 'vitest';
import { chooseKernelClass, ModelError, parseModelConfig } from '../src/index.js';
import { configs } from './families.js';

const specs = Object.values(configs()).map((config) => parseModelConfig(config));

test.each(specs)('$family ($attention) is served in mla-split where its attention is latent', (spec) => {
  expect(chooseKernelClass(spec)).toBe('fma16');
  expect(chooseKernelClass(spec, 'fma16')).toBe('fma16');
  const choose = () => chooseKernelClass(spec, 'mla-split');
  if (spec.attention === 'mla') {
    expect(choose()).toBe('mla-split');
    return;
  }
  expect(choose).toThrow(ModelError);
  expect(choose).toThrow(
    `kernel-class: is mla-split, which is for latent attention (MLA), and a model of family ${spec.family}`,
  );
  expect(choose).toThrow('serve it with --kernel-class fma16');
});

test('some families have latent attention and some have not', () => {
  expect(new Set(specs.map(({ attention }) => attention)).size).toBe(2);
});
