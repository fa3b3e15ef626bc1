// The options of prefill; those that every service has are the kit's.

import {
  batchOptions,
  computeOptions,
  kvOptions,
  leaseOptions,
  modelOptions,
  queueOptions,
  speculationOptions,
} from '@switchyard/flowserve';
import { defineOptions } from '@switchyard/kit';

export const options = defineOptions({
  ...modelOptions,
  ...kvOptions,
  ...batchOptions,
  ...computeOptions,
  ...speculationOptions,
  ...queueOptions,
  ...leaseOptions,
});
