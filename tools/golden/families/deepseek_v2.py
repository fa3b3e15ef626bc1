"""DeepSeek-V2 (low-rank query, router limited by groups) and V2-Lite (full query, greedy router): softmax scores, YaRN."""
import layers
from variant import SMALL_VOCABULARY, Variant

LITE = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 42,
    "num_hidden_layers": 3,
    "first_k_dense_replace": 1,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "q_lora_rank": None,
    "kv_lora_rank": 20,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 6,
    "v_head_dim": 14,
    "intermediate_size": 70,
    "moe_intermediate_size": 10,
    "n_routed_experts": 7,
    "num_experts_per_tok": 3,
    "n_shared_experts": 2,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "greedy",
    "scoring_func": "softmax",
    "norm_topk_prob": False,
    "routed_scaling_factor": 1.0,
    "moe_layer_freq": 1,
    "hidden_act": "silu",
    "attention_bias": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 16,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
    },
    "max_position_embeddings": 640,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}

GROUPED = LITE | {
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "q_lora_rank": 22,
    "n_routed_experts": 12,
    "n_group": 4,
    "topk_group": 2,
    "topk_method": "group_limited_greedy",
    "routed_scaling_factor": 16.0,
}

BIASES = LITE | {
    "num_hidden_layers": 2,
    "q_lora_rank": 8,
    "attention_bias": True,
    "mlp_bias": True,
    "rope_scaling": {"type": "yarn", "factor": 4.0, "mscale": 1.0, "mscale_all_dim": 1.0},
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}

VARIANTS = [
    Variant("deepseek-v2/biases", BIASES, layers.deepseek),
    Variant("deepseek-v2", GROUPED, layers.deepseek, bf16_golden=True),
    Variant("deepseek-v2/lite", LITE, layers.deepseek),
]
