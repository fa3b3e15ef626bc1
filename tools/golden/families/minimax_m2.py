"""MiniMax-M2: one norm over all heads of q and of k, rotary over part of a head, sigmoid router with correction bias, no groups."""
import layers
from variant import SMALL_VOCABULARY, Tensors, Variant

CONFIG = {
    "architectures": ["MiniMaxM2ForCausalLM"],
    "model_type": "minimax_m2",
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rotary_dim": 8,
    "use_qk_norm": True,
    "qk_norm_type": "per_layer",
    "intermediate_size": 22,
    "shared_intermediate_size": 0,
    "num_local_experts": 7,
    "num_experts_per_tok": 3,
    "scoring_func": "sigmoid",
    "use_routing_bias": True,
    "attn_type_list": [1, 1],
    "use_mtp": False,
    "num_mtp_modules": 0,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 5000000,
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
        yield from layers.mixtral_moe(c, prefix)
        yield f"{prefix}block_sparse_moe.e_score_correction_bias", (c["num_local_experts"],)


VARIANTS = [Variant("minimax-m2", CONFIG, tensors, bf16_golden=True)]
