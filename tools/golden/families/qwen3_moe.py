"""Qwen3-MoE: norms of each head of q and k, softmax router with renormalised weights, no shared expert."""
import layers
from variant import SMALL_VOCABULARY, VOCABULARY, W8A8_CONFIG, Tensors, Variant

CONFIG = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "vocab_size": VOCABULARY,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 14,
    "intermediate_size": 66,
    "moe_intermediate_size": 18,
    "num_experts": 7,
    "num_experts_per_tok": 3,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [1],
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
    "sliding_window": None,
    "max_window_layers": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def tensors(c: dict) -> Tensors:
    yield from layers.top(c)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from layers.norms(c, prefix)
        yield from layers.gqa(c, prefix, qk_norm="head")
        if layer in c["mlp_only_layers"]:
            yield from layers.ffn(c["hidden_size"], c["intermediate_size"], f"{prefix}mlp.")
            continue
        num_experts = c.get("num_experts") or c["num_local_experts"]
        yield f"{prefix}mlp.gate.weight", (num_experts, c["hidden_size"])
        yield from layers.experts(num_experts, c["hidden_size"], c["moe_intermediate_size"], f"{prefix}mlp.")


W8A8 = CONFIG | {
    "vocab_size": SMALL_VOCABULARY,
    "mlp_only_layers": [],
    "quantization_config": W8A8_CONFIG,
}

WINDOW = {name: value for name, value in CONFIG.items() if name != "num_experts"} | {
    "vocab_size": SMALL_VOCABULARY,
    "num_local_experts": 7,
    "mlp_only_layers": [],
    "use_sliding_window": True,
    "sliding_window": 12,
}

VARIANTS = [
    Variant("qwen3-moe/window", WINDOW, tensors, notes=[
        "all layers have the window, whatever max_window_layers says",
        "num_local_experts is what transformers saves num_experts as",
    ]),
    Variant("qwen3-moe", CONFIG, tensors, bf16_golden=True),
    Variant("qwen3-moe/w8a8", W8A8, tensors, quantisation="w8a8"),
]
