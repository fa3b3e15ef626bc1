"""Kimi-K2: DeepSeek-V3's architecture with a single expert group, one dense layer, YaRN and no MTP layer in the checkpoint."""
import layers
from families import deepseek_v3
from variant import SMALL_VOCABULARY, Variant

CONFIG = deepseek_v3.BASE | {
    "model_type": "kimi_k2",
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 42,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "n_routed_experts": 7,
    "num_experts_per_tok": 3,
    "n_group": 1,
    "topk_group": 1,
    "routed_scaling_factor": 2.827,
    "num_nextn_predict_layers": 0,
    "rope_theta": 50000.0,
    "rope_scaling": {
        "type": "yarn",
        "factor": 32.0,
        "original_max_position_embeddings": 16,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
    "max_position_embeddings": 512,
}

VARIANTS = [Variant("kimi-k2", CONFIG, layers.deepseek, bf16_golden=True)]
