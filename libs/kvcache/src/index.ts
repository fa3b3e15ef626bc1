export * from './block-pool.js';
export * from './blocks.js';
