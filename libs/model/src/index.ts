export * from './config.js';
export * from './error.js';
export * from './executor-spec.js';
export * from './generation.js';
export * from './safetensors.js';
export * from './safetensors-index.js';
export * from './spec.js';
export * from './weight-plan.js';
