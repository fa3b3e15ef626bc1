// What `npm run quantize` takes. No variables: it is run by hand, once a model.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  byteCount,
  type ConfigOf,
  defineOptions,
  flag,
  int,
  option,
  parseConfig,
  renderOptions,
} from '@switchyard/kit';
import { z } from 'zod';
import { METHODS } from './methods/registry.js';

/** A few kilobytes that the shipped model was not trained on (held-out/README.md). */
const HELD_OUT = fileURLToPath(new URL('../held-out/conversations.txt', import.meta.url));

export const options = defineOptions({
  out: option({ schema: z.string().min(1), unit: 'DIR', help: 'Where the checkpoint goes; must not exist' }),
  method: option({
    schema: z.string(),
    default: 'rtn',
    help: `How weights are quantised: ${METHODS.map(({ name, summary }) => `${name} (${summary})`).join(', ')}`,
  }),
  maxShardBytes: option({
    schema: byteCount({ min: 1 }),
    default: 5 * 2 ** 30,
    unit: 'bytes',
    help: 'Tensors of one file at most, such as 5GiB',
  }),
  measure: flag({ default: true, help: 'Compare the result with its source on a text (--no-measure: do not)' }),
  text: option({ schema: z.string().min(1), default: HELD_OUT, unit: 'FILE', help: 'The text, UTF-8' }),
  windowTokens: option({
    schema: int({ min: 2, max: 65_536 }),
    default: 512,
    unit: 'tokens',
    help: 'Tokens that are run together; windows begin half of it apart',
  }),
  threads: option({
    schema: int({ min: 1, max: 256 }),
    default: Math.min(availableParallelism(), 256),
    unit: 'count',
    help: 'Threads that compute the comparison',
  }),
});

export type QuantizeOptions = ConfigOf<typeof options>;

export const USAGE = `npm run quantize -- DIR --out DIR [options]

Makes a W8A8 checkpoint (compressed-tensors, INT8 weights with a scale a row, INT8 activations token by token) of the model in a
Hugging Face directory, and says how far it is from its source.

${renderOptions(options)}`;

export type Command = { help: true } | { help: false; dir: string; values: QuantizeOptions };

/** @throws Error with everything that is wrong. */
export function parseCommand(argv: readonly string[]): Command {
  const [first] = argv;
  const dir = first === undefined || first.startsWith('--') ? undefined : first;
  const rest = dir === undefined ? argv : argv.slice(1);
  const parsed = parseConfig(options, { argv: rest, env: {}, knownVariables: new Set() });
  if (parsed.help || argv.length === 0) return { help: true };
  const problems = dir === undefined ? ['the directory of the model comes first', ...parsed.problems] : parsed.problems;
  if (problems.length > 0) throw new Error(`${problems.join('\n')}\n\nSee npm run quantize -- --help.`);
  return { help: false, dir: dir as string, values: parsed.values as QuantizeOptions };
}
