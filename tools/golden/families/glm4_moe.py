"""GLM-4.5-MoE: biases of q, k and v, norms of heads, rotary over half of a head, DeepSeek-V3's router, MTP layer."""
import layers
from variant import SMALL_VOCABULARY, Tensors, Variant

CONFIG = {
    "architectures": ["Glm4MoeForCausalLM"],
    "model_type": "glm4_moe",
    "vocab_size": SMALL_VOCABULARY,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "first_k_dense_replace": 1,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 12,
    "partial_rotary_factor": 0.5,
    "use_qk_norm": True,
    "attention_bias": True,
    "intermediate_size": 54,
    "moe_intermediate_size": 14,
    "n_routed_experts": 7,
    "num_experts_per_tok": 3,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "num_nextn_predict_layers": 1,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": [1, 2],
}


def tensors(c: dict) -> Tensors:
    main = c["num_hidden_layers"]
    yield from layers.top(c)
    for layer in range(main + c["num_nextn_predict_layers"]):
        prefix = f"model.layers.{layer}."
        yield from layers.norms(c, prefix)
        yield from layers.gqa(c, prefix, bias=True, qk_norm="head" if c["use_qk_norm"] else "")
        yield from layers.deepseek_ffn(c, layer)
        if layer >= main:
            yield from layers.mtp_extras(c, layer)


VARIANTS = [Variant("glm4-moe", CONFIG, tensors, bf16_golden=True)]
