"""OLMoE: one norm over all heads of q and of k, softmax router without renormalisation."""
import layers
from variant import SMALL_VOCABULARY, Tensors, Variant

CONFIG = {
    "architectures": ["OlmoeForCausalLM"],
    "model_type": "olmoe",
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "intermediate_size": 14,
    "num_experts": 7,
    "num_experts_per_tok": 3,
    "norm_topk_prob": False,
    "clip_qkv": None,
    "hidden_act": "silu",
    "attention_bias": False,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
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
        yield from layers.gqa(c, prefix, qk_norm="all")
        yield f"{prefix}mlp.gate.weight", (c["num_experts"], c["hidden_size"])
        yield from layers.experts(c["num_experts"], c["hidden_size"], c["intermediate_size"], f"{prefix}mlp.")


VARIANTS = [Variant("olmoe", CONFIG, tensors, bf16_golden=True)]
