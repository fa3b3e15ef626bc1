export type { ChatMessage, ChatOptions } from './chat-template.js';
export * from './error.js';
export * from './output-state.js';
export type { TokenizerFiles } from './read-tables.js';
export * from './tables.js';
export * from './tokenizer.js';
