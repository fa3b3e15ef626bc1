"""Mixtral: grouped-query attention with a sliding window shorter than the prompt, softmax over the chosen experts."""
import layers
from variant import VOCABULARY, Tensors, Variant

CONFIG = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "vocab_size": VOCABULARY,
    "hidden_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "intermediate_size": 26,
    "num_local_experts": 7,
    "num_experts_per_tok": 2,
    "sliding_window": 11,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0,
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
        yield from layers.gqa(c, prefix)
        yield from layers.mixtral_moe(c, prefix)


VARIANTS = [Variant("mixtral", CONFIG, tensors, bf16_golden=True)]
