"""Qwen2, dense: biases of q, k and v; and a variant whose upper layers have a sliding window."""
import layers
from variant import SMALL_VOCABULARY, VOCABULARY, Tensors, Variant

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "vocab_size": VOCABULARY,
    "hidden_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 7,
    "num_key_value_heads": 1,
    "intermediate_size": 78,
    "hidden_act": "silu",
    "use_sliding_window": False,
    "sliding_window": 64,
    "max_window_layers": 3,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 1,
}

WINDOW = CONFIG | {
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 42,
    "intermediate_size": 50,
    "use_sliding_window": True,
    "sliding_window": 10,
    "max_window_layers": 1,
}


def tensors(c: dict) -> Tensors:
    yield from layers.top(c)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from layers.norms(c, prefix)
        yield from layers.gqa(c, prefix, bias=True)
        yield from layers.ffn(c["hidden_size"], c["intermediate_size"], f"{prefix}mlp.")


VARIANTS = [
    Variant("qwen2", CONFIG, tensors, bf16_golden=True),
    Variant("qwen2/layer-types", WINDOW | {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}, tensors),
    Variant("qwen2/window", WINDOW, tensors, notes=["layer 0 attends to everything, the others to a window of 10"]),
]
