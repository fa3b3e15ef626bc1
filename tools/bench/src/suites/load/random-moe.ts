// A random mixture of experts of about 2 GB, written as a Hugging Face directory: large enough that reading it is what loading costs.
import { closeSync, copyFileSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SIZES = { vocab: 32_000, hidden: 2048, layers: 6, heads: 16, kvHeads: 4, headDim: 128, experts: 32, expert: 768 };
const BLOCK_BYTES = 8 << 20;

const CONFIG = {
  architectures: ['Qwen3MoeForCausalLM'],
  model_type: 'qwen3_moe',
  vocab_size: SIZES.vocab,
  hidden_size: SIZES.hidden,
  num_hidden_layers: SIZES.layers,
  num_attention_heads: SIZES.heads,
  num_key_value_heads: SIZES.kvHeads,
  head_dim: SIZES.headDim,
  intermediate_size: SIZES.expert,
  moe_intermediate_size: SIZES.expert,
  num_experts: SIZES.experts,
  num_experts_per_tok: 4,
  norm_topk_prob: true,
  decoder_sparse_step: 1,
  mlp_only_layers: [],
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  max_position_embeddings: 4096,
  tie_word_embeddings: false,
  bos_token_id: 0,
  eos_token_id: 1,
};

/** Writes the model into `dir`, which must be there; its tokenizer is that of `tokenizerDir`. */
export function writeRandomMoe(dir: string, tokenizerDir: string): void {
  writeFileSync(join(dir, 'config.json'), JSON.stringify(CONFIG));
  copyFileSync(join(tokenizerDir, 'tokenizer.json'), join(dir, 'tokenizer.json'));
  const header: Record<string, { dtype: 'BF16'; shape: number[]; data_offsets: [number, number] }> = {};
  let bytes = 0;
  for (const [name, shape] of tensorShapes()) {
    const end = bytes + shape.reduce((product, size) => product * size, 2);
    header[name] = { dtype: 'BF16', shape, data_offsets: [bytes, end] };
    bytes = end;
  }
  writeTensors(join(dir, 'model.safetensors'), JSON.stringify(header), bytes);
}

function* tensorShapes(): Generator<[string, number[]]> {
  const { vocab, hidden, layers, heads, kvHeads, headDim, experts, expert } = SIZES;
  yield ['model.embed_tokens.weight', [vocab, hidden]];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    yield [`${prefix}.input_layernorm.weight`, [hidden]];
    yield [`${prefix}.self_attn.q_proj.weight`, [heads * headDim, hidden]];
    yield [`${prefix}.self_attn.k_proj.weight`, [kvHeads * headDim, hidden]];
    yield [`${prefix}.self_attn.v_proj.weight`, [kvHeads * headDim, hidden]];
    yield [`${prefix}.self_attn.q_norm.weight`, [headDim]];
    yield [`${prefix}.self_attn.k_norm.weight`, [headDim]];
    yield [`${prefix}.self_attn.o_proj.weight`, [hidden, heads * headDim]];
    yield [`${prefix}.post_attention_layernorm.weight`, [hidden]];
    yield [`${prefix}.mlp.gate.weight`, [experts, hidden]];
    for (let e = 0; e < experts; e++) {
      yield [`${prefix}.mlp.experts.${e}.gate_proj.weight`, [expert, hidden]];
      yield [`${prefix}.mlp.experts.${e}.up_proj.weight`, [expert, hidden]];
      yield [`${prefix}.mlp.experts.${e}.down_proj.weight`, [hidden, expert]];
    }
  }
  yield ['model.norm.weight', [hidden]];
  yield ['lm_head.weight', [vocab, hidden]];
}

function writeTensors(path: string, header: string, numBytes: number): void {
  const head = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.byteLength));
  const block = randomWeights();
  const file = openSync(path, 'w');
  try {
    writeSync(file, size);
    writeSync(file, head);
    for (let left = numBytes; left > 0; left -= block.byteLength)
      writeSync(file, block, 0, Math.min(left, block.byteLength));
  } finally {
    closeSync(file);
  }
}

/** bf16 numbers of both signs from 2^-8 to 2^-5, by a fixed linear congruential generator. */
function randomWeights(): Uint8Array {
  const bits = new Uint16Array(BLOCK_BYTES / 2);
  let state = 1;
  for (let i = 0; i < bits.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bits[i] = ((state >>> 16) & 0x8000) | (0x3b80 + ((state >>> 8) % 0x180));
  }
  return new Uint8Array(bits.buffer);
}
