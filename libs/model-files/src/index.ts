export { cacheFolder } from './cache-folder.js';
export { type NamedModel, namedModels, namedModelsProblems } from './named-models.js';
export * from './open-model.js';
export { SeenFiles } from './seen-files.js';
export { readWeightFiles, type WeightFile } from './weight-files.js';
