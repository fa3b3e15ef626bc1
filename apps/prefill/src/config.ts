// The options of prefill; those that every service has are the kit's.

import { batchOptions, kvOptions, leaseOptions, modelOptions, queueOptions } from '@switchyard/flowserve';
import { defineOptions } from '@switchyard/kit';

export const options = defineOptions({
  ...modelOptions,
  ...kvOptions,
  ...batchOptions,
  ...queueOptions,
  ...leaseOptions,
});
