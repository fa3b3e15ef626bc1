export type { ChatMessage, ChatOptions } from './chat-template.js';
export * from './error.js';
export * from './output-state.js';
export * from './tokenizer.js';
