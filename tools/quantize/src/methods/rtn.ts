// Round to nearest: each weight by itself, from nothing but its row's largest magnitude. Needs no text and no forward pass.
import { loadNative } from '@switchyard/native';
import type { Method } from './method.js';

export const rtn: Method = {
  name: 'rtn',
  summary: 'round to nearest',
  quantizeRows: (rows, scaleDtype) => loadNative().quantizeRows({ ...rows, scaleDtype }),
};
