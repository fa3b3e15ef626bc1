"""Tables of tensor names and shapes that families share: attentions, FFNs, routers, MTP layers. Used by families/*.py.

Every function yields (name, shape) under a prefix that ends with '.'; shapes are [out, in], row-major, as checkpoints store them.
"""
from variant import Tensors

GATE_UP_DOWN = ("gate_proj", "up_proj", "down_proj")


def top(c: dict) -> Tensors:
    """Embedding, final norm and, unless it is tied, the output layer."""
    yield "model.embed_tokens.weight", (c["vocab_size"], c["hidden_size"])
    yield "model.norm.weight", (c["hidden_size"],)
    if not c.get("tie_word_embeddings"):
        yield "lm_head.weight", (c["vocab_size"], c["hidden_size"])


def norms(c: dict, prefix: str) -> Tensors:
    yield f"{prefix}input_layernorm.weight", (c["hidden_size"],)
    yield f"{prefix}post_attention_layernorm.weight", (c["hidden_size"],)


def gqa(c: dict, prefix: str, bias: bool = False, qk_norm: str = "") -> Tensors:
    """Grouped-query attention; `bias` on q, k and v; `qk_norm` 'head' (of head_dim) or 'all' (over all heads)."""
    hidden, heads, kv_heads = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
    dim = c.get("head_dim") or hidden // heads
    for part, rows in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
        yield f"{prefix}self_attn.{part}_proj.weight", (rows * dim, hidden)
        if bias:
            yield f"{prefix}self_attn.{part}_proj.bias", (rows * dim,)
        if qk_norm and part != "v":
            yield f"{prefix}self_attn.{part}_norm.weight", (dim if qk_norm == "head" else rows * dim,)
    yield f"{prefix}self_attn.o_proj.weight", (hidden, heads * dim)


def mla(c: dict, prefix: str) -> Tensors:
    """Multi-head latent attention, with a low-rank query if q_lora_rank is set."""
    hidden, heads, q_rank, kv_rank = (c[k] for k in ("hidden_size", "num_attention_heads", "q_lora_rank", "kv_lora_rank"))
    nope, rope, value = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    if q_rank is None:
        yield f"{prefix}self_attn.q_proj.weight", (heads * (nope + rope), hidden)
    else:
        yield f"{prefix}self_attn.q_a_proj.weight", (q_rank, hidden)
        if c["attention_bias"]:
            yield f"{prefix}self_attn.q_a_proj.bias", (q_rank,)
        yield f"{prefix}self_attn.q_a_layernorm.weight", (q_rank,)
        yield f"{prefix}self_attn.q_b_proj.weight", (heads * (nope + rope), q_rank)
    yield f"{prefix}self_attn.kv_a_proj_with_mqa.weight", (kv_rank + rope, hidden)
    yield f"{prefix}self_attn.kv_a_layernorm.weight", (kv_rank,)
    yield f"{prefix}self_attn.kv_b_proj.weight", (heads * (nope + value), kv_rank)
    yield f"{prefix}self_attn.o_proj.weight", (hidden, heads * value)
    if c["attention_bias"]:
        yield f"{prefix}self_attn.kv_a_proj_with_mqa.bias", (kv_rank + rope,)
        yield f"{prefix}self_attn.o_proj.bias", (hidden,)


def ffn(hidden: int, width: int, prefix: str, names: tuple[str, str, str] = GATE_UP_DOWN, bias: bool = False) -> Tensors:
    """Gated FFN: `names` are those of gate, up and down."""
    gate, up, down = names
    yield f"{prefix}{gate}.weight", (width, hidden)
    yield f"{prefix}{up}.weight", (width, hidden)
    yield f"{prefix}{down}.weight", (hidden, width)
    if bias:
        yield f"{prefix}{gate}.bias", (width,)
        yield f"{prefix}{up}.bias", (width,)
        yield f"{prefix}{down}.bias", (hidden,)


def experts(count: int, hidden: int, width: int, prefix: str, names: tuple[str, str, str] = GATE_UP_DOWN) -> Tensors:
    for expert in range(count):
        yield from ffn(hidden, width, f"{prefix}experts.{expert}.", names)


def deepseek_moe(c: dict, prefix: str) -> Tensors:
    """Router, shared and routed experts of DeepSeek-V2/V3, Kimi-K2 and GLM-4.5; the correction bias with topk_method noaux_tc only."""
    hidden, width = c["hidden_size"], c["moe_intermediate_size"]
    yield f"{prefix}mlp.gate.weight", (c["n_routed_experts"], hidden)
    if c.get("topk_method", "noaux_tc") == "noaux_tc":
        yield f"{prefix}mlp.gate.e_score_correction_bias", (c["n_routed_experts"],)
    yield from ffn(hidden, width * c["n_shared_experts"], f"{prefix}mlp.shared_experts.", bias=c.get("mlp_bias", False))
    yield from experts(c["n_routed_experts"], hidden, width, f"{prefix}mlp.")


def deepseek_ffn(c: dict, layer: int) -> Tensors:
    prefix = f"model.layers.{layer}."
    if layer < c["first_k_dense_replace"]:
        yield from ffn(c["hidden_size"], c["intermediate_size"], f"{prefix}mlp.", bias=c.get("mlp_bias", False))
    else:
        yield from deepseek_moe(c, prefix)


def mtp_extras(c: dict, layer: int) -> Tensors:
    """What an MTP layer has besides a decoder layer; embedding and output layer are copies of the main model's."""
    prefix, hidden = f"model.layers.{layer}.", c["hidden_size"]
    yield f"{prefix}enorm.weight", (hidden,)
    yield f"{prefix}hnorm.weight", (hidden,)
    yield f"{prefix}eh_proj.weight", (hidden, 2 * hidden)
    yield f"{prefix}embed_tokens.weight", (c["vocab_size"], hidden)
    yield f"{prefix}shared_head.norm.weight", (hidden,)
    yield f"{prefix}shared_head.head.weight", (c["vocab_size"], hidden)


def deepseek(c: dict) -> Tensors:
    """A whole DeepSeek-V2/V3 or Kimi-K2 checkpoint, MTP layers included."""
    main = c["num_hidden_layers"]
    yield from top(c)
    for layer in range(main + c.get("num_nextn_predict_layers", 0)):
        prefix = f"model.layers.{layer}."
        yield from norms(c, prefix)
        yield from mla(c, prefix)
        yield from deepseek_ffn(c, layer)
        if layer >= main:
            yield from mtp_extras(c, layer)


def mixtral_moe(c: dict, prefix: str) -> Tensors:
    """Router and experts in Mixtral's names: w1 is gate, w3 up, w2 down."""
    count, hidden = c["num_local_experts"], c["hidden_size"]
    yield f"{prefix}block_sparse_moe.gate.weight", (count, hidden)
    yield from experts(count, hidden, c["intermediate_size"], f"{prefix}block_sparse_moe.", ("w1", "w3", "w2"))
