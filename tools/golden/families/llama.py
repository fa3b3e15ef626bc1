"""Llama: llama3 RoPE with tied embeddings, and small variants for every other type of RoPE, for biases and for W8A8."""
import layers
from variant import SMALL_VOCABULARY, VOCABULARY, W8A8_CONFIG, Tensors, Variant

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": 54,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 10,
    "intermediate_size": 70,
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 24,
    },
    "max_position_embeddings": 192,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": [1, 2],
}

SMALL = CONFIG | {
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 39,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 36,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "tie_word_embeddings": False,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}


def tensors(c: dict) -> Tensors:
    yield from layers.top(c)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield from layers.norms(c, prefix)
        yield from layers.gqa(c, prefix, bias=c["attention_bias"])
        yield from layers.ffn(c["hidden_size"], c["intermediate_size"], f"{prefix}mlp.", bias=c["mlp_bias"])
        if c["attention_bias"]:
            yield f"{prefix}self_attn.o_proj.bias", (c["hidden_size"],)


def rope(name: str, scaling: dict | None, **settings) -> Variant:
    """A small variant of another RoPE; `settings` are further fields of Variant or, if it has no such field, of the config."""
    own = {k: settings.pop(k) for k in ("notes",) if k in settings}
    return Variant(f"llama/rope-{name}", SMALL | {"rope_scaling": scaling} | settings, tensors, **own)


VARIANTS = [
    Variant("llama", CONFIG, tensors, bf16_golden=True),
    Variant("llama/biases", SMALL | {"attention_bias": True, "mlp_bias": True}, tensors, dtype="float32"),
    Variant("llama/w8a8", SMALL | {"quantization_config": W8A8_CONFIG}, tensors, quantisation="w8a8"),
    Variant("llama/int8", SMALL | {"quantization_config": W8A8_CONFIG}, tensors, quantisation="int8-rows"),
    rope("linear", {"type": "linear", "factor": 4.0}),
    rope("dynamic", {"type": "dynamic", "factor": 4.0}, max_position_embeddings=16, notes=[
        "fed token by token, so that each is turned by the base of the length that ends with it",
    ]),
    rope("yarn", YARN, max_position_embeddings=64),
    rope("yarn-mscale", YARN | {"beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.3}, max_position_embeddings=64),
]
