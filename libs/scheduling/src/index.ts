export * from './admission.js';
export * from './dp-balance.js';
export * from './grants.js';
export * from './preemption.js';
