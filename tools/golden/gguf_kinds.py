"""The .gguf fixtures as data: configuration, tokenizer, and what llama.cpp's converter writes for the architecture."""
from collections.abc import Callable
from dataclasses import dataclass, field

import gguf

import layers
from families import deepseek_v2, deepseek_v3, glm4_moe, kimi_k2, llama, minimax_m2, mistral, mixtral, olmoe, qwen2, qwen2_moe, qwen3, qwen3_moe
from variant import Tensors

Metadata = dict[str, int | float | bool | str | list[bool]]


@dataclass(frozen=True)
class GgufKind:
    """config: the same model as a Hugging Face config.json. metadata: keys beside the common ones, '{arch}.' put in front of each.

    interleave: whether rows of q and k are reordered for RoPE on neighbouring pairs, as for llama.
    split_kv_b: whether kv_b_proj is stored as attn_k_b (transposed) and attn_v_b, the newer form.
    split_experts: whether every expert has tensors of its own, the older form.
    parts: files that the model is split into, as by gguf-split.
    copies: whether an MTP layer's embedding and output layer, copies of the main model's, are stored.
    """

    arch: gguf.MODEL_ARCH
    config: dict
    tensors: Callable[[dict], Tensors]
    tokenizer: str
    tokenizer_pre: str
    metadata: Metadata
    interleave: bool = False
    split_kv_b: bool = False
    split_experts: bool = False
    parts: int = 1
    copies: bool = True
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


def heads_metadata(c: dict) -> Metadata:
    """Lengths of heads, which converters write where the configuration has head_dim."""
    return {"attention.key_length": c["head_dim"], "attention.value_length": c["head_dim"]}


def expert_metadata(c: dict, count: str) -> Metadata:
    """count: the configuration's field of the number of experts."""
    return {"expert_count": c[count], "expert_used_count": c["num_experts_per_tok"]}


def yarn_metadata(scaling: dict) -> Metadata:
    """YaRN of MLA: the multiplier holds the 0.1 of mscale's formula."""
    return {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": float(scaling["factor"]),
        "rope.scaling.original_context_length": scaling["original_max_position_embeddings"],
        "rope.scaling.yarn_beta_fast": float(scaling["beta_fast"]),
        "rope.scaling.yarn_beta_slow": float(scaling["beta_slow"]),
        "rope.scaling.yarn_log_multiplier": 0.1 * scaling["mscale_all_dim"],
    }


def latent_metadata(c: dict) -> Metadata:
    """MLA as attention over latents, the newer form: the heads' own lengths have keys of their own."""
    key_length = c["qk_nope_head_dim"] + c["qk_rope_head_dim"]
    return mla_metadata(c) | {
        "feed_forward_length": c["intermediate_size"],
        "attention.q_lora_rank": c["q_lora_rank"],
        "attention.key_length": c["kv_lora_rank"] + c["qk_rope_head_dim"],
        "attention.value_length": c["kv_lora_rank"],
        "attention.key_length_mla": key_length,
        "attention.value_length_mla": c["v_head_dim"],
        "expert_group_count": c["n_group"],
        "expert_group_used_count": c["topk_group"],
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
SMALL = {"vocab_size": 581, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
SMALL_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
MISTRAL = mistral.CONFIG | SMALL | {"vocab_size": 791, "head_dim": 32, "intermediate_size": 96}
MIXTRAL = mixtral.CONFIG | SMALL | {"vocab_size": 791, "num_key_value_heads": 4, "intermediate_size": 64, "num_local_experts": 5}
QWEN2_MOE = qwen2_moe.CONFIG | SMALL | SMALL_EXPERTS | {
    "num_experts": 5,
    "shared_expert_intermediate_size": 96,
    "decoder_sparse_step": 1,
}
QWEN3 = qwen3.CONFIG | SMALL | {
    "head_dim": 32,
    "intermediate_size": 256,
    "use_sliding_window": True,
    "sliding_window": 9,
    "max_window_layers": 1,
}
OLMOE = olmoe.CONFIG | SMALL | {"num_key_value_heads": 4, "intermediate_size": 48, "num_experts": 6}
MINIMAX_M2 = minimax_m2.CONFIG | SMALL | {"head_dim": 32, "rotary_dim": 16, "intermediate_size": 32, "num_local_experts": 6}
GLM4_MOE = glm4_moe.CONFIG | SMALL | SMALL_EXPERTS | {"head_dim": 32, "intermediate_size": 96, "n_routed_experts": 6}
SMALL_MLA = {
    "vocab_size": 581,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "q_lora_rank": 32,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
}
KIMI_K2 = kimi_k2.CONFIG | SMALL_MLA | {"num_attention_heads": 4, "num_key_value_heads": 4, "n_routed_experts": 6, "num_experts_per_tok": 2}
DEEPSEEK2_GROUPS = deepseek_v2.GROUPED | SMALL_MLA | {"num_attention_heads": 4, "num_key_value_heads": 4}

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
    "deepseek2-groups": GgufKind(
        gguf.MODEL_ARCH.DEEPSEEK2, DEEPSEEK2_GROUPS, layers.deepseek, "deepseek-v3", "deepseek-v3",
        latent_metadata(DEEPSEEK2_GROUPS)
        | yarn_metadata(DEEPSEEK2_GROUPS["rope_scaling"])
        | {"expert_gating_func": int(gguf.ExpertGatingFuncType.SOFTMAX)},
        split_kv_b=True,
        notes=("DeepSeek-V2 with its low-rank query, softmax router and groups of experts",),
    ),
    "kimi-k2": GgufKind(
        gguf.MODEL_ARCH.DEEPSEEK2, KIMI_K2, layers.deepseek, "deepseek-v3", "deepseek-v3",
        latent_metadata(KIMI_K2)
        | yarn_metadata(KIMI_K2["rope_scaling"])
        | {"expert_gating_func": int(gguf.ExpertGatingFuncType.SIGMOID)},
        split_kv_b=True,
        notes=("Kimi-K2: one group of experts, YaRN",),
    ),
    "mistral": GgufKind(
        gguf.MODEL_ARCH.LLAMA, MISTRAL, mistral.tensors, "mistral", "default",
        heads_metadata(MISTRAL) | {
            "feed_forward_length": 96,
            "rope.dimension_count": 32,
            "attention.sliding_window": MISTRAL["sliding_window"],
        },
        interleave=True,
        notes=("a window over the keys, which llama.cpp itself does not apply in this architecture",),
    ),
    "mixtral": GgufKind(
        gguf.MODEL_ARCH.LLAMA, MIXTRAL | {"sliding_window": None}, mixtral.tensors, "mistral", "default",
        expert_metadata(MIXTRAL, "num_local_experts") | {"feed_forward_length": 64, "rope.dimension_count": 16},
        interleave=True,
        split_experts=True,
        notes=("the older form of MoE files: every expert has tensors of its own",),
    ),
    "qwen2moe": GgufKind(
        gguf.MODEL_ARCH.QWEN2MOE, QWEN2_MOE, qwen2_moe.tensors, "qwen2", "qwen2",
        expert_metadata(QWEN2_MOE, "num_experts") | {
            "feed_forward_length": QWEN2_MOE["intermediate_size"],
            "expert_feed_forward_length": 32,
            "expert_shared_feed_forward_length": 96,
        },
        notes=(NO_NFC,),
    ),
    "qwen3": GgufKind(
        gguf.MODEL_ARCH.QWEN3, QWEN3, qwen3.tensors, "qwen2", "qwen2",
        heads_metadata(QWEN3) | {
            "feed_forward_length": 256,
            "attention.sliding_window": 9,
            "attention.sliding_window_pattern": [False, True],
        },
        notes=(NO_NFC, "layer 0 attends to everything, layer 1 to a window of 9"),
    ),
    "olmoe": GgufKind(
        gguf.MODEL_ARCH.OLMOE, OLMOE, olmoe.tensors, "qwen2", "qwen2",
        expert_metadata(OLMOE, "num_experts") | {"feed_forward_length": 48},
        notes=(NO_NFC,),
    ),
    "minimax-m2": GgufKind(
        gguf.MODEL_ARCH.MINIMAXM2, MINIMAX_M2, minimax_m2.tensors, "qwen2", "qwen2",
        heads_metadata(MINIMAX_M2) | expert_metadata(MINIMAX_M2, "num_local_experts") | {
            "feed_forward_length": 32,
            "expert_feed_forward_length": 32,
            "rope.dimension_count": 16,
            "expert_gating_func": int(gguf.ExpertGatingFuncType.SIGMOID),
        },
        notes=(NO_NFC,),
    ),
    "glm4moe": GgufKind(
        gguf.MODEL_ARCH.GLM4_MOE, GLM4_MOE, glm4_moe.tensors, "qwen2", "qwen2",
        heads_metadata(GLM4_MOE) | expert_metadata(GLM4_MOE, "n_routed_experts") | {
            "feed_forward_length": 96,
            "rope.dimension_count": 16,
            "expert_feed_forward_length": 32,
            "expert_shared_count": 1,
            "leading_dense_block_count": 1,
            "expert_gating_func": int(gguf.ExpertGatingFuncType.SIGMOID),
            "expert_weights_scale": GLM4_MOE["routed_scaling_factor"],
            "expert_weights_norm": True,
            "expert_group_count": 1,
            "expert_group_used_count": 1,
            "nextn_predict_layers": 1,
        },
        parts=3,
        copies=False,
        notes=(NO_NFC, "three files, as gguf-split cuts them", "the MTP layer has no embedding and output layer of its own"),
    ),
}
