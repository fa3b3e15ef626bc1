"""Qwen3, dense: norms of each head of q and k, tied embeddings; and the YaRN that Qwen documents for long prompts."""
import layers
from variant import SMALL_VOCABULARY, VOCABULARY, Tensors, Variant, compressed_tensors

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": VOCABULARY,
    "hidden_size": 52,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "head_dim": 12,
    "intermediate_size": 74,
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
    "sliding_window": None,
    "max_window_layers": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 1,
}

YARN = CONFIG | {
    "vocab_size": SMALL_VOCABULARY,
    "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    "max_position_embeddings": 64,
}


def tensors(c: dict) -> Tensors:
    yield from layers.top(c)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from layers.norms(c, prefix)
        yield from layers.gqa(c, prefix, qk_norm="head")
        yield from layers.ffn(c["hidden_size"], c["intermediate_size"], f"{prefix}mlp.")


FP8 = CONFIG | {"vocab_size": SMALL_VOCABULARY, "quantization_config": compressed_tensors("float", "channel")}

VARIANTS = [
    Variant("qwen3", CONFIG, tensors, bf16_golden=True),
    Variant("qwen3/yarn", YARN, tensors),
    Variant("qwen3/fp8", FP8, tensors, quantisation="fp8-rows"),
]
