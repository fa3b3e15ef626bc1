export { ErrorDetail } from './gen/switchyard/common/v1/error.js';
export { FinishReason, SamplingParams, StopConditions } from './gen/switchyard/common/v1/generation.js';
export { RequestIdentity } from './gen/switchyard/common/v1/identity.js';
export { OutputDelta, TokenLogprob, TopLogprob } from './gen/switchyard/common/v1/output.js';
