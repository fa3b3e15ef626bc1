// Kimi-K2: the architecture of DeepSeek-V3 with other numbers (one group of experts, no MTP layer).
// Source: moonshotai/Kimi-K2-Instruct, config.json.
import type { Family } from '../family.js';
import { deepseekV3 } from './deepseek-v3.js';

export const kimiK2: Family = { ...deepseekV3, name: 'kimi-k2', modelType: 'kimi_k2', gguf: null };
