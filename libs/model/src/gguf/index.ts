export type { ByteSource } from './cursor.js';
export { type GgufHeader, readGgufHeader } from './header.js';
export { type GgufModel, readGgufModel } from './model.js';
export { ggufModelName, ggufPartNames, joinGgufParts } from './split.js';
export type { GgufTokenizer, GgufTokenType } from './tokenizer.js';
