"""DeepSeek-V3/R1: MLA with a low-rank query, sigmoid router limited by groups with correction bias, MTP layer."""
import layers
from variant import SMALL_VOCABULARY, VOCABULARY, W8A8_CONFIG, Variant

BASE = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "vocab_size": VOCABULARY,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "first_k_dense_replace": 1,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "q_lora_rank": 20,
    "kv_lora_rank": 18,
    "qk_nope_head_dim": 14,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
    "intermediate_size": 72,
    "moe_intermediate_size": 12,
    "n_routed_experts": 15,
    "num_experts_per_tok": 4,
    "n_shared_experts": 1,
    "n_group": 5,
    "topk_group": 2,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "moe_layer_freq": 1,
    "num_nextn_predict_layers": 1,
    "hidden_act": "silu",
    "attention_bias": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}

FP8 = BASE | {
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 136,
    "q_lora_rank": 132,
    "kv_lora_rank": 24,
    "intermediate_size": 150,
    "n_routed_experts": 6,
    "n_group": 3,
    "num_experts_per_tok": 3,
    "num_nextn_predict_layers": 0,
    "quantization_config": {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    },
}

FP8_BLOCKS = FP8 | {"quantization_config": FP8["quantization_config"] | {"weight_block_size": [64, 96]}}

W8A8 = BASE | {
    "vocab_size": SMALL_VOCABULARY,
    "n_shared_experts": 2,
    "num_nextn_predict_layers": 0,
    "quantization_config": W8A8_CONFIG,
}

OPTIONS = BASE | {
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 26,
    "q_lora_rank": 9,
    "intermediate_size": 40,
    "n_routed_experts": 6,
    "n_group": 3,
    "num_experts_per_tok": 3,
    "attention_bias": True,
    "rms_norm_eps": 3e-3,
    "rope_interleave": False,
    "rope_scaling": {"rope_type": "linear", "factor": 2.0, "mscale_all_dim": 1.0},
    "norm_topk_prob": False,
    "tie_word_embeddings": True,
}

VARIANTS = [
    Variant("deepseek-v3", BASE, layers.deepseek, bf16_golden=True),
    Variant("deepseek-v3/options", OPTIONS, layers.deepseek),
    Variant("deepseek-v3/fp8", FP8, layers.deepseek, quantisation="fp8"),
    Variant("deepseek-v3/fp8-blocks", FP8_BLOCKS, layers.deepseek, quantisation="fp8-blocks"),
    Variant("deepseek-v3/w8a8", W8A8, layers.deepseek, quantisation="w8a8"),
]
