// Small models of every architecture as GGUF: metadata by llama.cpp's keys, and the tensors that its converters write.
import { families } from '../src/families/index.js';
import { type ModelSpec, parseModelConfig } from '../src/index.js';
import { fillTemplate, listTensors } from '../src/tensor-list.js';
import { configs } from './families.js';
import type { TensorEntry, Value } from './gguf-file.js';

export interface GgufModelFile {
  metadata: Record<string, Value>;
  tensors: TensorEntry[];
}

const tokenizer: Record<string, Value> = {
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'smollm',
  'tokenizer.ggml.tokens': ['<unk>', 'a', '<|im_end|>', 'b', 'ab'],
  'tokenizer.ggml.token_type': [2, 1, 3, 1, 1],
  'tokenizer.ggml.scores': [0.5, -1.5, 0.5, 0.5, 0.5],
  'tokenizer.ggml.merges': ['a b'],
  'tokenizer.ggml.eos_token_id': 2,
  'tokenizer.chat_template': '{{ messages }}',
};

const base = {
  context_length: 512,
  embedding_length: 60,
  block_count: 3,
  'attention.layer_norm_rms_epsilon': 1.1e-6,
  'rope.freq_base': 10_000.5,
};
const gqa = { ...base, 'attention.head_count': 6, 'attention.head_count_kv': 2, feed_forward_length: 88 };
const experts = { expert_count: 7, expert_used_count: 3 };
const mla = {
  ...base,
  'attention.head_count': 3,
  'attention.head_count_kv': 1,
  'attention.kv_lora_rank': 16,
  'attention.key_length': 24,
  'attention.value_length': 16,
  'attention.key_length_mla': 20,
  'attention.value_length_mla': 10,
  'rope.dimension_count': 8,
  feed_forward_length: 88,
  leading_dense_block_count: 1,
  expert_feed_forward_length: 24,
  expert_count: 8,
  expert_used_count: 3,
  expert_shared_count: 2,
  expert_weights_scale: 2.5,
};

/** Metadata by family, without the architecture in front of its keys. */
const metadata: Record<string, Record<string, Value>> = {
  'deepseek-v3': {
    ...mla,
    'attention.q_lora_rank': 20,
    expert_gating_func: 2,
    expert_weights_norm: true,
    expert_group_count: 4,
    expert_group_used_count: 2,
  },
  'deepseek-v2': {
    ...mla,
    'rope.scaling.type': 'yarn',
    'rope.scaling.factor': 40,
    'rope.scaling.yarn_log_multiplier': 0.075,
  },
  'qwen3-moe': { ...gqa, ...experts, 'attention.key_length': 16, expert_feed_forward_length: 24 },
  'qwen2-moe': { ...gqa, ...experts, expert_feed_forward_length: 24, expert_shared_feed_forward_length: 40 },
  'glm4-moe': {
    ...gqa,
    ...experts,
    block_count: 4,
    nextn_predict_layers: 1,
    'attention.key_length': 16,
    'attention.value_length': 16,
    'rope.dimension_count': 8,
    expert_feed_forward_length: 24,
    expert_shared_count: 1,
    expert_gating_func: 2,
    expert_weights_norm: true,
    leading_dense_block_count: 1,
  },
  'minimax-m2': {
    ...gqa,
    ...experts,
    'attention.key_length': 16,
    'rope.dimension_count': 8,
    expert_feed_forward_length: 88,
    expert_gating_func: 2,
  },
  olmoe: { ...gqa, ...experts },
  mixtral: { ...gqa, expert_count: 7, expert_used_count: 2 },
  llama: { ...gqa, 'rope.dimension_count': 10 },
  qwen3: { ...gqa, 'attention.key_length': 16 },
  qwen2: gqa,
};

export const ggufFamilies = Object.keys(metadata);

/** What the same model is as a Hugging Face directory. */
export function directorySpec(name: string): ModelSpec {
  const config = { ...configs()[name], use_sliding_window: false, rope_theta: 10_000.5, rms_norm_eps: 1.1e-6 };
  const change = name === 'deepseek-v3' ? { num_nextn_predict_layers: 0 } : {};
  const scaling = name === 'llama' ? { rope_scaling: null } : {};
  return parseModelConfig({ ...config, ...change, ...scaling });
}

/** @param change Metadata with their architecture; undefined leaves an entry out. */
export function ggufModel(name: string, change: Record<string, Value | undefined> = {}): GgufModelFile {
  const gguf = families.find((family) => family.name === name)?.gguf;
  if (!gguf) throw new Error(`llama.cpp has no architecture of its own for ${name}`);
  const own = Object.entries(metadata[name] ?? {}).map(([key, value]) => [`${gguf.architecture}.${key}`, value]);
  const all: Record<string, Value | undefined> = {
    'general.architecture': gguf.architecture,
    ...Object.fromEntries(own),
    ...tokenizer,
    ...change,
  };
  const given = Object.entries(all).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return { metadata: Object.fromEntries(given), tensors: tensorsOf(directorySpec(name), gguf.names) };
}

/** Experts of a layer in one tensor, other tensors one by one. */
function tensorsOf(spec: ModelSpec, names: Readonly<Record<string, string>>): TensorEntry[] {
  const entries = new Map<string, TensorEntry>();
  for (const expected of listTensors(spec)) {
    const name = fillTemplate(names[expected.template] as string, expected);
    const isStacked = expected.template.includes('{expert}');
    const shape = isStacked ? [spec.numExperts, ...expected.shape] : expected.shape;
    entries.set(name, { name, shape: shape[0] === 1 ? shape.slice(1) : shape });
  }
  return [...entries.values()];
}
