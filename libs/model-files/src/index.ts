export * from './open-model.js';
