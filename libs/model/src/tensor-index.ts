// The tensors of a model's files by name, and what of them was used. Made by weight-plan.ts.
import { isPlain } from './dtype.js';
import { ModelError } from './error.js';
import type { TensorNames } from './family.js';
import type { WeightTensor } from './spec.js';
import { type ExpectedTensor, fillTemplate } from './tensor-list.js';

export class TensorIndex {
  readonly #nameToTensor = new Map<string, WeightTensor>();
  readonly #used = new Set<string>();

  /**
   * @param names What the files call tensors, by template of tensor-list.ts. A name without {expert} for a template that has
   * it means that the tensors of all experts lie one after the other in one.
   * @throws ModelError for a name that occurs twice.
   */
  constructor(
    tensors: readonly WeightTensor[],
    private readonly names: TensorNames,
    private readonly numExperts: number,
  ) {
    for (const tensor of tensors) {
      const other = this.#nameToTensor.get(tensor.name);
      if (other) throw new ModelError(tensor.name, `stands in both ${other.file} and ${tensor.file}`);
      this.#nameToTensor.set(tensor.name, tensor);
    }
  }

  /** What the files call a tensor. */
  nameOf(expected: ExpectedTensor): string {
    return fillTemplate(this.names[expected.template] ?? expected.template, expected);
  }

  has(expected: ExpectedTensor): boolean {
    return this.#nameToTensor.has(this.nameOf(expected));
  }

  /** The tensor, undefined where it is missing. @throws ModelError when it has another shape. */
  take(expected: ExpectedTensor): WeightTensor | undefined {
    const name = this.nameOf(expected);
    const tensor = this.#nameToTensor.get(name);
    if (!tensor) return undefined;
    this.#used.add(name);
    if (this.#isStacked(expected.template)) return this.#cutExpert(tensor, expected);
    return checkShape(tensor, expected.shape);
  }

  /** The scales of a matrix. @throws ModelError when they are missing, quantised themselves or of another shape. */
  takeScales(matrix: WeightTensor, suffix: string, shape: number[]): WeightTensor {
    const name = matrix.name + suffix;
    const scales = this.#nameToTensor.get(name);
    if (!scales) throw new ModelError(name, `is missing, ${matrix.name} is ${matrix.dtype} in ${matrix.file}`);
    if (!isPlain(scales.dtype)) throw new ModelError(name, `is ${scales.dtype}, scales must be plain floats`);
    this.#used.add(name);
    // A scale a row stands as a vector in some files.
    const isVector = shape[1] === 1 && scales.shape.length === 1;
    return checkShape(isVector ? { ...scales, shape: [...scales.shape, 1] } : scales, shape);
  }

  /** A tensor whose name is this one with something in front, or without the first part of it. */
  underOtherPrefix(name: string): string | undefined {
    const rest = name.slice(name.indexOf('.') + 1);
    return [...this.#nameToTensor.keys()].find((other) => other.endsWith(`.${name}`) || other === rest);
  }

  /** Names of the tensors that were not taken, in file order. */
  unused(): string[] {
    return [...this.#nameToTensor.keys()].filter((name) => !this.#used.has(name));
  }

  #isStacked(template: string): boolean {
    return template.includes('{expert}') && this.names[template]?.includes('{expert}') === false;
  }

  #cutExpert(tensor: WeightTensor, { shape, expert }: ExpectedTensor): WeightTensor {
    checkShape(tensor, [this.numExperts, ...shape]);
    const bytes = tensor.bytes / this.numExperts;
    return { ...tensor, offset: tensor.offset + expert * bytes, bytes, shape };
  }
}

/** Dimensions of 1 in front do not count: GGUF leaves them out. */
function checkShape(tensor: WeightTensor, expected: number[]): WeightTensor {
  const [ours, theirs] = [withoutOnes(expected), withoutOnes(tensor.shape)];
  if (ours.length === theirs.length && ours.every((dim, i) => dim === theirs[i])) return { ...tensor, shape: expected };
  throw new ModelError(
    tensor.name,
    `has shape [${tensor.shape.join(', ')}] in ${tensor.file}, the configuration says [${expected.join(', ')}]`,
  );
}

function withoutOnes(shape: readonly number[]): readonly number[] {
  const first = shape.findIndex((dim) => dim !== 1);
  return first < 0 ? [] : shape.slice(first);
}
