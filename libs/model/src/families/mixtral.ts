// Mixtral: Mistral's attention, softmax router whose chosen weights are normalised, experts in every layer.
// Source: transformers, models/mixtral.
import {
  commonFields,
  commonOnly,
  commonOptional,
  type Family,
  noAttentionBias,
  noFfnBias,
  type TensorNames,
  wholeHeads,
} from '../family.js';
import { llamaMoe } from '../gguf/architectures.js';

const block = 'model.layers.{layer}.block_sparse_moe';
const mlp = 'model.layers.{layer}.mlp';

/** Names that MiniMax-M2 took over. */
export const blockSparseMoe: TensorNames = {
  [`${mlp}.gate.weight`]: `${block}.gate.weight`,
  [`${mlp}.experts.{expert}.gate_proj.weight`]: `${block}.experts.{expert}.w1.weight`,
  [`${mlp}.experts.{expert}.down_proj.weight`]: `${block}.experts.{expert}.w2.weight`,
  [`${mlp}.experts.{expert}.up_proj.weight`]: `${block}.experts.{expert}.w3.weight`,
};

export const mixtral: Family = {
  name: 'mixtral',
  architecture: 'MixtralForCausalLM',
  modelType: 'mixtral',
  required: [...commonFields, 'num_key_value_heads', 'intermediate_size', 'num_local_experts', 'num_experts_per_tok'],
  optional: { ...commonOptional, head_dim: null, rope_theta: 1e6 },
  only: { ...commonOnly, ...wholeHeads, ...noAttentionBias, ...noFfnBias, scoring_func: ['softmax'] },
  attention: {
    kind: 'gqa',
    qkNorm: 'none',
    hasQkvBias: false,
    hasOutputBias: false,
    window: { isOptional: false, layers: 'all' },
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: {
    numExperts: 'num_local_experts',
    width: 'intermediate_size',
    router: 'softmax',
    hasRouterBias: false,
    normTopkProb: true,
    groupScore: null,
    shared: null,
    dense: null,
  },
  names: blockSparseMoe,
  gguf: llamaMoe,
};
