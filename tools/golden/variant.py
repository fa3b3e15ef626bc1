"""What a family file says: the checkpoints to make, as data. Read by make.py; nothing here touches PyTorch."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Shape = tuple[int, ...]
Tensors = Iterable[tuple[str, Shape]]

VOCABULARY = 1003
"""A prime, so that it divides by no vector width, block or rank count."""

SMALL_VOCABULARY = 131
"""Also a prime: for variants that only change what the main variant of their family already shows."""


def compressed_tensors(kind: str, strategy: str) -> dict:
    """quantization_config of a compressed-tensors checkpoint: weights and dynamic activations in 8 bits of `kind`, 'int' or 'float'."""
    eight_bits = {"num_bits": 8, "type": kind, "symmetric": True}
    return {
        "quant_method": "compressed-tensors",
        "format": f"{kind}-quantized",
        "quantization_status": "compressed",
        "kv_cache_scheme": None,
        "ignore": ["lm_head", "re:.*mlp.gate$"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": eight_bits | {"strategy": strategy, "dynamic": False},
                "input_activations": eight_bits | {"strategy": "token", "dynamic": True},
            }
        },
    }


W8A8_CONFIG = compressed_tensors("int", "channel")


@dataclass(frozen=True)
class Variant:
    """One tiny checkpoint and its golden.

    name: folder below test/fixtures/models; the part before the first '/' is the family.
    config: the checkpoint's config.json, in the form in which the family's authors publish it.
    tensors: (config) -> every (name, shape) of the checkpoint, in the names of published checkpoints.
    dtype: type of the file's weights: 'float32', 'float16' or 'bfloat16'. Goldens are fp32 from these very weights.
    bf16_golden: whether the logits are also computed in bfloat16.
    num_shards: safetensors files; more than one brings an index.
    quantisation: '' or a name of quantise.SCHEMES; the golden is then by the dequantised weights.
    prompt_tokens: lengths of the prompts. The last one is also continued step by step with a KV cache.
    notes: what the golden shows that its config alone does not say.
    """

    name: str
    config: dict
    tensors: Callable[[dict], Tensors]
    seed: int = 1
    dtype: str = "bfloat16"
    bf16_golden: bool = False
    num_shards: int = 1
    quantisation: str = ""
    prompt_tokens: tuple[int, ...] = (1, 9, 37)
    notes: list[str] = field(default_factory=list)
