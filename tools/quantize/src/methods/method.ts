// What a way of quantising is. Each has a file here and a row in registry.ts; the writer of checkpoints knows no other.
import type { MatrixRows, QuantizedRows } from '@switchyard/native';

export type ScaleDtype = 'BF16' | 'F32';

export interface Method {
  name: string;
  /** For --help. */
  summary: string;
  /** Some rows of a matrix as INT8, a scale a row. @throws Error naming a matrix that has no scales (NaN, infinity). */
  quantizeRows(rows: MatrixRows, scaleDtype: ScaleDtype): QuantizedRows;
}
