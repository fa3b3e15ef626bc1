export * from './assert.js';
export * from './seeded-random.js';
