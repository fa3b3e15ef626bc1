// Random damage to a file, never none.
import type { SeededRandom } from '@switchyard/base';

export function damaged(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(bytes.length);
  const kinds: (() => Buffer)[] = [
    () => bytes.subarray(0, at),
    () => Buffer.concat([bytes.subarray(0, at), Buffer.of(random.below(256)), bytes.subarray(at)]),
    () => Buffer.concat([bytes, bytes.subarray(at)]),
    () => {
      const changed = Buffer.from(bytes);
      changed[at] = ((changed[at] as number) + 1 + random.below(255)) % 256;
      return changed;
    },
    () => {
      const changed = Buffer.from(bytes);
      changed.writeUInt32LE(random.below(2 ** 31), Math.min(8 + 4 * random.below(16), bytes.length - 4));
      return changed;
    },
  ];
  const result = random.pick(kinds)();
  return result.equals(bytes) ? bytes.subarray(1) : result;
}
