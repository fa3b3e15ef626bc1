// What llama.cpp's files say of a family: which metadata holds the fields of its config.json, and what tensors are called.
// Data of architectures.ts, read by gguf/config.ts and weight-plan.ts. Keys stand without the architecture in front.
import type { ConfigField } from '../config-fields.js';
import type { TensorNames } from '../family.js';

export interface GgufFamily {
  /** `general.architecture` */
  architecture: string;
  /** Which of several families of one architecture a file is of: the value of this key, undefined for none. A family without it is the rest. */
  when?: { key: string; isOneOf: readonly unknown[] };
  /** Field of config.json to key. */
  fields: Partial<Record<ConfigField, string>>;
  /** Fields that the architecture fixes, or that follow from the tensors a file has. */
  constants: Readonly<Record<string, unknown>>;
  /** Fields that are true where the file has this tensor. */
  presence: Partial<Record<ConfigField, string>>;
  /** Keys with which only some values are the mathematics of the family; undefined is an absent key. */
  only: Readonly<Record<string, readonly unknown[]>>;
  /** Converters permute queries and keys of some architectures so that pairs become neighbours. */
  ropeInterleaved: boolean;
  /** Whether a window over the keys is the mathematics of one of the architecture's families. */
  hasWindow: boolean;
  names: TensorNames;
}
