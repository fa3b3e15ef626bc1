export * from './load.js';
export * from './native.js';
