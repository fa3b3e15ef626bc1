"""The .gguf fixtures as data: configuration, tokenizer, and what llama.cpp's converter writes for the architecture."""
from collections.abc import Callable
from dataclasses import dataclass, field

import gguf

import layers
from families import deepseek_v2, deepseek_v3, llama, qwen2, qwen3_moe
from variant import Tensors

Metadata = dict[str, int | float | bool | str]


@dataclass(frozen=True)
class GgufKind:
    """config: the same model as a Hugging Face config.json. metadata: keys beside the common ones, '{arch}.' put in front of each.

    interleave: whether rows of q and k are reordered for RoPE on neighbouring pairs, as for llama.
    split_kv_b: whether kv_b_proj is stored as attn_k_b (transposed) and attn_v_b, the newer form.
    """

    arch: gguf.MODEL_ARCH
    config: dict
    tensors: Callable[[dict], Tensors]
    tokenizer: str
    tokenizer_pre: str
    metadata: Metadata
    interleave: bool = False
    split_kv_b: bool = False
    notes: tuple[str, ...] = field(default=())


def mla_metadata(c: dict) -> Metadata:
    return {
        "leading_dense_block_count": c["first_k_dense_replace"],
        "attention.kv_lora_rank": c["kv_lora_rank"],
        "expert_feed_forward_length": c["moe_intermediate_size"],
        "expert_count": c["n_routed_experts"],
        "expert_used_count": c["num_experts_per_tok"],
        "expert_shared_count": c["n_shared_experts"],
        "expert_weights_scale": float(c["routed_scaling_factor"]),
        "expert_weights_norm": c["norm_topk_prob"],
        "rope.dimension_count": c["qk_rope_head_dim"],
    }


LLAMA = llama.CONFIG | {
    "vocab_size": 790,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 256,
}
QWEN2 = qwen2.CONFIG | {
    "vocab_size": 581,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 256,
    "tie_word_embeddings": False,
}
QWEN3_MOE = qwen3_moe.CONFIG | {
    "vocab_size": 587,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "moe_intermediate_size": 32,
    "mlp_only_layers": [],
}
DEEPSEEK3 = deepseek_v3.BASE | {
    "vocab_size": 581,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "q_lora_rank": 32,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "intermediate_size": 96,
    "moe_intermediate_size": 256,
    "n_routed_experts": 8,
    "n_group": 4,
    "num_experts_per_tok": 3,
    "num_nextn_predict_layers": 0,
}
DEEPSEEK2_LITE = deepseek_v2.LITE | {
    "vocab_size": 581,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 24,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "intermediate_size": 64,
    "moe_intermediate_size": 32,
}
YARN = DEEPSEEK2_LITE["rope_scaling"]

NO_NFC = "a .gguf does not say that the tokenizer normalises to NFC, and llama.cpp does not: two texts of its golden.json differ there"

KINDS = {
    "llama": GgufKind(
        gguf.MODEL_ARCH.LLAMA, LLAMA, llama.tensors, "llama", "default",
        {"feed_forward_length": 256, "rope.dimension_count": 64, "attention.key_length": 64, "attention.value_length": 64},
        interleave=True,
        notes=("the factors of llama3 RoPE are the tensor rope_freqs.weight", "there is no output.weight: embeddings are tied"),
    ),
    "qwen2": GgufKind(gguf.MODEL_ARCH.QWEN2, QWEN2, qwen2.tensors, "qwen2", "qwen2", {"feed_forward_length": 256}, notes=(NO_NFC,)),
    "qwen3moe": GgufKind(
        gguf.MODEL_ARCH.QWEN3MOE, QWEN3_MOE, qwen3_moe.tensors, "qwen2", "qwen2",
        {
            "feed_forward_length": QWEN3_MOE["intermediate_size"],
            "attention.key_length": 32,
            "attention.value_length": 32,
            "expert_feed_forward_length": 32,
            "expert_count": 7,
            "expert_used_count": 3,
        },
        notes=(NO_NFC, "the vocabulary is longer than the tokenizer's: the rest are unused tokens"),
    ),
    "deepseek2": GgufKind(
        gguf.MODEL_ARCH.DEEPSEEK2, DEEPSEEK3, layers.deepseek, "deepseek-v3", "deepseek-v3",
        mla_metadata(DEEPSEEK3) | {
            "feed_forward_length": 96,
            "attention.q_lora_rank": 32,
            "attention.key_length": 32 + 16,
            "attention.value_length": 32,
            "attention.key_length_mla": 32 + 16,
            "attention.value_length_mla": 32,
            "expert_group_count": 4,
            "expert_group_used_count": 2,
            "expert_gating_func": int(gguf.ExpertGatingFuncType.SIGMOID),
        },
        split_kv_b=True,
    ),
    "deepseek2-lite": GgufKind(
        gguf.MODEL_ARCH.DEEPSEEK2, DEEPSEEK2_LITE, layers.deepseek, "deepseek-v3", "deepseek-v3",
        mla_metadata(DEEPSEEK2_LITE) | {
            "feed_forward_length": 64,
            "attention.key_length": 24 + 8,
            "attention.value_length": 16,
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": float(YARN["factor"]),
            "rope.scaling.original_context_length": YARN["original_max_position_embeddings"],
            "rope.scaling.yarn_log_multiplier": 0.1 * YARN["mscale_all_dim"],
            "expert_gating_func": int(gguf.ExpertGatingFuncType.SOFTMAX),
        },
        notes=(
            "the older form of the architecture: attn_kv_b in one tensor, key and value lengths of a head",
            "llama.cpp itself refuses it: it tells V2-Lite by its 27 layers, not by the missing attn_q_a",
        ),
    ),
}
