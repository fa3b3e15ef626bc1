"""Random configurations of every family for sweep.py: whatever a published config.json of the family may say, in odd sizes.

A draw is a config.json in the older form (`rope_theta` beside `rope_scaling`) or in the newer one (`rope_parameters`). Sizes divide by no
vector width, block or rank count where the family lets them. Only what transformers runs is drawn; what this project refuses by name
although transformers ignores it (docs/decisions/0017) is not.
"""
from collections.abc import Callable

import numpy as np

from variant import SMALL_VOCABULARY, VOCABULARY

Config = dict[str, object]

NUM_POSITIONS_MIN = 64
"""Every configuration but those with dynamic RoPE allows sequences of this length."""


class Draw:
    """Draws that depend on a seed alone."""

    def __init__(self, seed: list[int]) -> None:
        self.random = np.random.default_rng(seed)

    def integer(self, least: int, most: int) -> int:
        return int(self.random.integers(least, most + 1))

    def one_of(self, *values):
        return values[self.integer(0, len(values) - 1)]

    def chance(self, share: float = 0.5) -> bool:
        return bool(self.random.random() < share)

    def some_of(self, fields: Config) -> Config:
        return {name: value for name, value in fields.items() if self.chance()}


DROPPABLE = (
    "tie_word_embeddings attention_bias mlp_bias qkv_bias use_qk_norm sliding_window max_window_layers layer_types "
    "decoder_sparse_step mlp_only_layers rope_interleave topk_method scoring_func moe_layer_freq partial_rotary_factor"
).split()
"""Fields that published files of some families leave out. (The test of a default is that both sides have the same.)"""


def draw_config(draw: Draw, family: str) -> Config:
    config = FAMILIES[family](draw)
    return {name: value for name, value in config.items() if name not in DROPPABLE or draw.chance(0.9)}


def common(draw: Draw, heads: int, hidden: int, architecture: str, model_type: str) -> Config:
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": draw.one_of(VOCABULARY, SMALL_VOCABULARY, 64, 257),
        "hidden_size": hidden,
        "num_hidden_layers": draw.integer(1, 4),
        "num_attention_heads": heads,
        "hidden_act": draw.one_of("silu", "silu", "swish"),
        "rms_norm_eps": draw.one_of(1e-6, 1e-5, 1e-4, 3e-3),
        "tie_word_embeddings": draw.chance(),
        "max_position_embeddings": draw.one_of(NUM_POSITIONS_MIN, 100, 700, 4096),
        "bos_token_id": 0,
        "eos_token_id": draw.one_of(1, [1, 2], None, 200020),
        "attention_dropout": draw.one_of(0.0, 0.1),
        "initializer_range": 0.02,
        "use_cache": draw.chance(),
    }


def key_heads(draw: Draw, heads: int) -> int:
    return draw.one_of(*[count for count in range(1, heads + 1) if heads % count == 0])


def gqa(draw: Draw, architecture: str, model_type: str, has_head_dim: bool = True, is_whole: bool = False) -> Config:
    """is_whole: the family wants hidden_size to be a multiple of num_attention_heads even where head_dim is given."""
    heads = draw.integer(1, 9)
    with_head_dim = has_head_dim and draw.chance(0.7)
    hidden = heads * 2 * draw.integer(2, 7) if is_whole or not with_head_dim else draw.one_of(draw.integer(17, 71), 137, 261)
    config = common(draw, heads, hidden, architecture, model_type) | {"num_key_value_heads": key_heads(draw, heads)}
    return config | ({"head_dim": 2 * draw.one_of(*range(2, 13), 33, 64)} if with_head_dim else {})


def mla(draw: Draw, architecture: str, model_type: str, step: int = 1) -> Config:
    """step: of the sizes beside the rotary ones."""
    heads = draw.integer(1, 7)
    config = common(draw, heads, heads * draw.one_of(draw.integer(5, 11), 43), architecture, model_type)
    return config | {
        "num_key_value_heads": heads,
        "q_lora_rank": draw.one_of(None, draw.integer(5, 30)),
        "kv_lora_rank": step * draw.one_of(draw.integer(5, 30 // step), 67),
        "qk_nope_head_dim": step * draw.integer(2, 17 // step),
        "qk_rope_head_dim": 2 * draw.integer(2, 9),
        "v_head_dim": draw.integer(3, 19),
        "attention_bias": draw.chance(0.3),
    }


def deepseek_moe(draw: Draw, layers: int) -> Config:
    """Experts in groups of at least two, so that a group has two largest ones."""
    group_size, groups = draw.one_of(2, 3, 4, 9), draw.integer(1, 5)
    top_groups = draw.integer(1, groups)
    return {
        "intermediate_size": draw.one_of(draw.integer(9, 90), 129),
        "moe_intermediate_size": draw.one_of(draw.integer(3, 31), 131),
        "n_routed_experts": group_size * groups,
        "num_experts_per_tok": draw.integer(1, group_size * top_groups),
        "n_shared_experts": draw.integer(1, 3),
        "n_group": groups,
        "topk_group": top_groups,
        "routed_scaling_factor": draw.one_of(1.0, 2.5, 2.827, 16.0),
        "first_k_dense_replace": draw.integer(0, layers),
        "moe_layer_freq": 1,
    }


def experts(draw: Draw, count_field: str) -> Config:
    count = draw.one_of(*range(1, 10), 37)
    return {count_field: count, "num_experts_per_tok": draw.integer(1, count)}


def qwen_layers(draw: Draw, layers: int) -> Config:
    listed = [layer for layer in range(layers) if draw.chance(0.3)]
    return {
        "intermediate_size": draw.one_of(draw.integer(9, 90), 129),
        "moe_intermediate_size": draw.one_of(draw.integer(3, 31), 131),
        "norm_topk_prob": draw.chance(),
        "decoder_sparse_step": draw.integer(1, 3),
        "mlp_only_layers": draw.one_of(None, [], listed),
    }


def windows(draw: Draw, layers: int, with_types: bool = True) -> Config:
    """Qwen's fields; the window is shorter than the prompts of sweep.py. (A window of one key fails in transformers' cache.)"""
    fields = {
        "use_sliding_window": draw.chance(0.6),
        "sliding_window": draw.integer(2, 20),
        "max_window_layers": draw.integer(0, layers + 1),
    }
    if with_types and fields["use_sliding_window"] and draw.chance(0.4):
        fields["layer_types"] = [draw.one_of("full_attention", "sliding_attention") for _ in range(layers)]
    return fields


def yarn(draw: Draw, is_mla: bool) -> Config:
    scaling = {"factor": draw.one_of(2.0, 4.0, 32.0, 40.0)}
    scaling |= draw.some_of({"original_max_position_embeddings": draw.integer(8, 64)})
    scaling |= draw.some_of({"beta_fast": draw.one_of(32.0, 16.0, 8), "beta_slow": draw.one_of(1.0, 2)})
    scaling |= draw.some_of({"truncate": draw.chance()})
    if is_mla or draw.chance(0.3):
        scaling |= draw.one_of({}, {"mscale": 1.0, "mscale_all_dim": 1.0}, {"mscale": 0.707, "mscale_all_dim": 0.9})
    return scaling | ({"attention_factor": 1.3} if draw.chance(0.2) else {})


SCALINGS: dict[str, Callable[[Draw, bool], Config]] = {
    "default": lambda draw, _: {},
    "linear": lambda draw, _: {"factor": draw.one_of(2.0, 3.5, 8)},
    "dynamic": lambda draw, _: {"factor": draw.one_of(4.0, 5)},
    "yarn": yarn,
    "llama3": lambda draw, _: {
        "factor": draw.one_of(8.0, 32),
        "low_freq_factor": 1.0,
        "high_freq_factor": draw.one_of(4.0, 2.0),
        "original_max_position_embeddings": draw.integer(8, 64),
    },
}


def rope(draw: Draw, is_mla: bool, partial: float | None) -> Config:
    """Rotary settings in one of the two forms; `partial` is a share of the head that goes with them in the newer form."""
    kind = draw.one_of(*SCALINGS)
    scaling = SCALINGS[kind](draw, is_mla)
    theta = draw.one_of(100.0, 1e4, 5e5, 1000000)
    limit = {"max_position_embeddings": draw.integer(16, 24)} if kind == "dynamic" else {}
    if draw.chance():
        share = {} if partial is None else {"partial_rotary_factor": partial}
        return limit | {"rope_parameters": {"rope_type": kind, "rope_theta": theta} | scaling | share}
    named = {draw.one_of("type", "rope_type"): kind} | scaling
    scaled = {"rope_scaling": None if kind == "default" and draw.chance() else named}
    return limit | {"rope_theta": theta} | scaled | ({} if partial is None else {"partial_rotary_factor": partial})


def deepseek_v3(draw: Draw, model_type: str = "deepseek_v3") -> Config:
    config = mla(draw, "DeepseekV3ForCausalLM", model_type)
    config |= deepseek_moe(draw, config["num_hidden_layers"])
    config |= {"norm_topk_prob": draw.chance(0.7), "num_nextn_predict_layers": draw.integer(0, 1)}
    config |= draw.some_of({"topk_method": "noaux_tc", "scoring_func": "sigmoid", "rope_interleave": draw.chance()})
    return config | rope(draw, True, None)


def kimi_k2(draw: Draw) -> Config:
    return deepseek_v3(draw, "kimi_k2") | {"num_nextn_predict_layers": 0}


def deepseek_v2(draw: Draw) -> Config:
    config = mla(draw, "DeepseekV2ForCausalLM", "deepseek_v2", step=2)
    config |= deepseek_moe(draw, config["num_hidden_layers"])
    config |= {"topk_method": draw.one_of("greedy", "group_limited_greedy"), "norm_topk_prob": False}
    return config | {"mlp_bias": draw.chance(0.2), "scoring_func": "softmax"} | rope(draw, True, None)


def qwen3_moe(draw: Draw) -> Config:
    config = gqa(draw, "Qwen3MoeForCausalLM", "qwen3_moe") | experts(draw, "num_experts")
    layers = config["num_hidden_layers"]
    config |= qwen_layers(draw, layers) | windows(draw, layers, with_types=False) | {"attention_bias": draw.chance(0.3)}
    return config | rope(draw, False, None)


def qwen2_moe(draw: Draw) -> Config:
    config = gqa(draw, "Qwen2MoeForCausalLM", "qwen2_moe") | experts(draw, "num_experts")
    layers = config["num_hidden_layers"]
    config |= qwen_layers(draw, layers) | windows(draw, layers) | {"qkv_bias": draw.chance(0.8)}
    return config | {"shared_expert_intermediate_size": draw.integer(3, 40)} | rope(draw, False, None)


def glm4_moe(draw: Draw) -> Config:
    config = gqa(draw, "Glm4MoeForCausalLM", "glm4_moe")
    config |= deepseek_moe(draw, config["num_hidden_layers"]) | {"norm_topk_prob": draw.chance(0.7)}
    config |= {"head_dim": 4 * draw.integer(2, 6), "use_qk_norm": draw.chance(), "attention_bias": draw.chance()}
    return config | rope(draw, False, draw.one_of(None, 0.5, 1.0))


def minimax_m2(draw: Draw) -> Config:
    config = gqa(draw, "MiniMaxM2ForCausalLM", "minimax_m2") | experts(draw, "num_local_experts")
    pairs = 2 ** draw.integer(2, 4)
    config |= {"head_dim": 2 * pairs, "intermediate_size": draw.integer(3, 31)}
    config |= draw.some_of({"scoring_func": "sigmoid", "use_qk_norm": True, "use_routing_bias": True})
    config |= rope(draw, False, None)
    return config | ({"rotary_dim": pairs} if draw.chance() else {})


def olmoe(draw: Draw) -> Config:
    config = gqa(draw, "OlmoeForCausalLM", "olmoe", has_head_dim=False) | experts(draw, "num_experts")
    config |= {"intermediate_size": draw.integer(3, 31), "norm_topk_prob": draw.chance(), "clip_qkv": None}
    return config | {"attention_bias": draw.chance(0.3)} | rope(draw, False, None)


def mixtral(draw: Draw) -> Config:
    config = gqa(draw, "MixtralForCausalLM", "mixtral") | experts(draw, "num_local_experts")
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    config |= {"intermediate_size": draw.integer(3, 31), "sliding_window": draw.one_of(None, draw.integer(2, 20))}
    return config | rope(draw, False, None)


def llama(draw: Draw) -> Config:
    config = gqa(draw, "LlamaForCausalLM", "llama", is_whole=True) | {"intermediate_size": draw.one_of(draw.integer(9, 90), 129)}
    return config | {"attention_bias": draw.chance(0.3), "mlp_bias": draw.chance(0.3)} | rope(draw, False, None)


def mistral(draw: Draw) -> Config:
    config = gqa(draw, "MistralForCausalLM", "mistral") | {"intermediate_size": draw.one_of(draw.integer(9, 90), 129)}
    return config | {"sliding_window": draw.one_of(None, draw.integer(2, 20))} | rope(draw, False, None)


def qwen3(draw: Draw) -> Config:
    config = gqa(draw, "Qwen3ForCausalLM", "qwen3") | {"intermediate_size": draw.one_of(draw.integer(9, 90), 129)}
    config |= windows(draw, config["num_hidden_layers"]) | {"attention_bias": draw.chance(0.3)}
    return config | rope(draw, False, None)


def qwen2(draw: Draw) -> Config:
    config = gqa(draw, "Qwen2ForCausalLM", "qwen2") | {"intermediate_size": draw.one_of(draw.integer(9, 90), 129)}
    return config | windows(draw, config["num_hidden_layers"]) | rope(draw, False, None)


FAMILIES: dict[str, Callable[[Draw], Config]] = {
    "deepseek-v3": deepseek_v3,
    "kimi-k2": kimi_k2,
    "deepseek-v2": deepseek_v2,
    "qwen3-moe": qwen3_moe,
    "qwen2-moe": qwen2_moe,
    "glm4-moe": glm4_moe,
    "minimax-m2": minimax_m2,
    "olmoe": olmoe,
    "mixtral": mixtral,
    "llama": llama,
    "mistral": mistral,
    "qwen3": qwen3,
    "qwen2": qwen2,
}
