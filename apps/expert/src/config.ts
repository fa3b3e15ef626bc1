// The options of an expert rank; those that every service has are the kit's.
import { computeOptions, exchangeOptions, modelOptions } from '@switchyard/flowserve';
import { defineOptions } from '@switchyard/kit';

export const options = defineOptions({
  ...modelOptions,
  ...computeOptions,
  ...exchangeOptions,
});
