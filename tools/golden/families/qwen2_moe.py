"""Qwen2-MoE: biases of q, k and v, a shared expert behind a sigmoid gate, softmax router without renormalisation. In shards."""
import layers
from variant import SMALL_VOCABULARY, VOCABULARY, Tensors, Variant

CONFIG = {
    "architectures": ["Qwen2MoeForCausalLM"],
    "model_type": "qwen2_moe",
    "vocab_size": VOCABULARY,
    "hidden_size": 42,
    "num_hidden_layers": 3,
    "num_attention_heads": 7,
    "num_key_value_heads": 7,
    "intermediate_size": 62,
    "moe_intermediate_size": 14,
    "shared_expert_intermediate_size": 26,
    "num_experts": 7,
    "num_experts_per_tok": 2,
    "norm_topk_prob": False,
    "decoder_sparse_step": 2,
    "mlp_only_layers": [],
    "hidden_act": "silu",
    "use_sliding_window": False,
    "sliding_window": 64,
    "max_window_layers": 3,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def tensors(c: dict) -> Tensors:
    hidden = c["hidden_size"]
    yield from layers.top(c)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from layers.norms(c, prefix)
        yield from layers.gqa(c, prefix, bias=True)
        if (layer + 1) % c["decoder_sparse_step"] or layer in c["mlp_only_layers"]:
            yield from layers.ffn(hidden, c["intermediate_size"], f"{prefix}mlp.")
            continue
        yield f"{prefix}mlp.gate.weight", (c["num_experts"], hidden)
        yield f"{prefix}mlp.shared_expert_gate.weight", (1, hidden)
        yield from layers.ffn(hidden, c["shared_expert_intermediate_size"], f"{prefix}mlp.shared_expert.")
        yield from layers.experts(c["num_experts"], hidden, c["moe_intermediate_size"], f"{prefix}mlp.")


WINDOW = CONFIG | {
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 28,
    "num_hidden_layers": 4,
    "intermediate_size": 30,
    "num_experts": 5,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [0, 3],
    "use_sliding_window": True,
    "sliding_window": 9,
    "max_window_layers": 3,
}

VARIANTS = [
    Variant("qwen2-moe", CONFIG, tensors, bf16_golden=True, num_shards=3, notes=["layers 0 and 2 are dense: decoder_sparse_step 2"]),
    Variant("qwen2-moe/window", WINDOW, tensors, notes=["layers 0 and 2 have a window: those of even index below max_window_layers"]),
]
