// The options of an attention rank; those that every service has are the kit's.
import {
  batchOptions,
  computeOptions,
  exchangeOptions,
  kvOptions,
  modelOptions,
  speculationOptions,
} from '@switchyard/flowserve';
import { defineOptions } from '@switchyard/kit';

export const options = defineOptions({
  ...modelOptions,
  ...kvOptions,
  ...batchOptions,
  ...computeOptions,
  ...speculationOptions,
  ...exchangeOptions,
});
