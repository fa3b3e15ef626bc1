"""Mistral: a sliding window shorter than the prompt, heads whose widths do not add up to the hidden size. Weights in fp16."""
from families import llama
from variant import SMALL_VOCABULARY, Variant, compressed_tensors

CONFIG = {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 44,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "intermediate_size": 58,
    "sliding_window": 13,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def tensors(c: dict):
    return llama.tensors(c | {"attention_bias": False, "mlp_bias": False})


FP8 = CONFIG | {"quantization_config": compressed_tensors("float", "tensor")}

VARIANTS = [
    Variant("mistral", CONFIG, tensors, bf16_golden=True, dtype="float16"),
    Variant("mistral/fp8", FP8, tensors, quantisation="fp8-matrix"),
]
