"""Quantised forms of a checkpoint: what its file holds, and what its golden computes with."""
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Weights = dict[str, torch.Tensor]
NOT_QUANTISED = ("lm_head.weight", "embed_tokens.weight", "mlp.gate.weight", "shared_head.head.weight", "eh_proj.weight")


@dataclass(frozen=True)
class Scheme:
    """quantise and dequantise map a checkpoint's tensors; `activations` opens a context in which the golden is computed by models that
    `prepare` has seen.

    error: how far, in parts of the range of the logits, fp32 may be from fp64; a rounding that falls otherwise shows in int8.
    """

    quantise: Callable[[Weights], Weights]
    dequantise: Callable[[Weights], Weights]
    activations: Callable[[Weights], AbstractContextManager]
    prepare: Callable[[torch.nn.Module], None] = lambda model: None
    notes: tuple[str, ...] = ()
    error: float = 1e-5


def is_quantised(name: str, tensor: torch.Tensor) -> bool:
    return tensor.dim() == 2 and not name.endswith(NOT_QUANTISED)


@dataclass(frozen=True)
class Scaling:
    """8-bit values times scales. `block`: rows and columns that share a scale, None for all of them; `ending`: of the scales' names."""

    dtype: torch.dtype
    block: tuple[int | None, int | None]
    ending: str
    scale_dtype: torch.dtype = torch.float32

    def largest(self) -> float:
        return 127 if self.dtype == torch.int8 else torch.finfo(self.dtype).max

    def block_of(self, shape: torch.Size) -> tuple[int, int]:
        rows, columns = self.block
        return rows or shape[0], columns or shape[1]

    def spread(self, scales: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """One scale for each element of a matrix; blocks at the edges are cut."""
        rows, columns = self.block_of(shape)
        return scales.float().repeat_interleave(rows, 0)[: shape[0]].repeat_interleave(columns, 1)[:, : shape[1]]

    def maxima(self, weight: torch.Tensor) -> torch.Tensor:
        """Largest magnitude of every block: [row blocks, column blocks]."""
        rows, columns = self.block_of(weight.shape)
        padding = (0, -weight.shape[1] % columns, 0, -weight.shape[0] % rows)
        blocks = functional.pad(weight.abs(), padding).unflatten(1, (-1, columns)).unflatten(0, (-1, rows))
        return blocks.amax((1, 3))

    def quantise(self, weights: Weights) -> Weights:
        quantised = {}
        for name, tensor in weights.items():
            if not is_quantised(name, tensor):
                quantised[name] = tensor
                continue
            scales = (self.maxima(tensor.float()) / self.largest()).to(self.scale_dtype)
            values = (tensor.float() / self.spread(scales, tensor.shape)).clamp(-self.largest(), self.largest())
            quantised[name] = (values.round() if self.dtype == torch.int8 else values).to(self.dtype)
            quantised[f"{name}{self.ending}"] = scales
        return quantised

    def dequantise(self, stored: Weights) -> Weights:
        scales = {n.removesuffix(self.ending): t for n, t in stored.items() if n.endswith(f"weight{self.ending}")}
        return {
            name: tensor.float() * self.spread(scales[name], tensor.shape) if name in scales else tensor
            for name, tensor in stored.items()
            if not name.endswith(f"weight{self.ending}")
        }


SMALLEST_AMAX = 2.0**-100


def fake_quantise(x: torch.Tensor) -> torch.Tensor:
    """int8 and back as docs/numerics.md has it ("INT8 products"): x * (127 / amax) to the nearest, ties to even, times amax / 127."""
    amax = x.abs().amax(-1, keepdim=True)
    is_zero = amax < SMALLEST_AMAX
    values = torch.where(is_zero, 0, x * (127 / torch.where(is_zero, 1, amax))).round()
    return values * (amax / 127)


def shapes_of(weights: Weights, is_chosen: Callable[[str], bool]) -> set[tuple[int, ...]]:
    """Shapes of the matrices with these names. Raises ValueError if another matrix has one of them too."""
    chosen = {tuple(t.shape) for n, t in weights.items() if t.dim() == 2 and is_chosen(n)}
    shared = chosen & {tuple(t.shape) for n, t in weights.items() if t.dim() == 2 and not is_chosen(n)}
    if shared:
        raise ValueError(f"shapes {shared} belong to several kinds of weights")
    return chosen


class QuantisedActivations(TorchFunctionMode):
    """Quantises what enters a linear layer, except the layers whose weights are not quantised (output layer and routers) and kv_b_proj,
    which reads the cache; and what leaves routed experts, or the FFNs of a dense model."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        unit = ".mlp.experts." if any(".mlp.experts." in n for n in weights) else ".mlp."
        self.full_shapes = shapes_of(weights, lambda n: n.endswith((*NOT_QUANTISED, "kv_b_proj.weight")))
        self.unit_shapes = shapes_of(weights, lambda n: unit in n and n.endswith("down_proj.weight"))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is not functional.linear:
            return function(*args, **(kwargs or {}))
        shape = tuple(args[1].shape)
        if shape not in self.full_shapes:
            args = (fake_quantise(args[0]), *args[1:])
        y = function(*args, **(kwargs or {}))
        return fake_quantise(y) if shape in self.unit_shapes else y


def quantise_cache(model: torch.nn.Module) -> None:
    """Latents and the values of each head go through int8 on their way into the cache; keys, or their rotated part, do not."""

    def quantise_values(module: torch.nn.Module, _, values: torch.Tensor) -> torch.Tensor:
        heads = values.unflatten(-1, (model.config.num_key_value_heads, -1))
        return fake_quantise(heads).flatten(-2)

    for name, module in model.named_modules():
        if name.endswith("self_attn.v_proj"):
            module.register_forward_hook(quantise_values)
        elif name.endswith("self_attn.kv_a_layernorm"):
            module.register_forward_hook(lambda module, _, latent: fake_quantise(latent))


def same(weights: Weights) -> Weights:
    return weights


def plain_activations(_: Weights) -> AbstractContextManager:
    return contextlib.nullcontext()


def widened(scaling: Scaling, what: str) -> Scheme:
    """A scheme whose golden multiplies the dequantised weights with activations as they are."""
    notes = (f"weights dequantised to fp32 (value * weight{scaling.ending} {what}); activations are not quantised",)
    return Scheme(scaling.quantise, scaling.dequantise, plain_activations, notes=notes)


INT8_ROWS = Scaling(torch.int8, (1, None), "_scale")
SCHEMES = {
    "": Scheme(same, same, plain_activations),
    "fp8": widened(Scaling(torch.float8_e4m3fn, (128, 128), "_scale_inv"), "of its block"),
    "fp8-blocks": widened(Scaling(torch.float8_e4m3fn, (64, 96), "_scale_inv"), "of its block of 64 x 96"),
    "fp8-rows": widened(Scaling(torch.float8_e4m3fn, (1, None), "_scale"), "of its row"),
    "fp8-matrix": widened(Scaling(torch.float8_e4m3fn, (None, None), "_scale"), "of its matrix"),
    "int8-rows": widened(Scaling(torch.int8, (1, None), "_scale", torch.bfloat16), "of its row, in bfloat16"),
    "w8a8": Scheme(
        INT8_ROWS.quantise,
        INT8_ROWS.dequantise,
        QuantisedActivations,
        quantise_cache,
        (
            "weights dequantised to fp32 (value * weight_scale of its row)",
            "inputs of quantised layers go through int8, each token by its own scale amax / 127: x * (127 / amax), ties to even",
            "so do outputs of routed experts or of a dense model's FFNs, latents, and values, each head by its own scale",
            "output layer and routers are not quantised, nor is what kv_b_proj reads but by that",
        ),
        error=2e-2,
    ),
}
"""`fp8` is DeepSeek's form, with weight_scale_inv; `fp8-rows`, `fp8-matrix`, `int8-rows` and `w8a8` are compressed-tensors', with weight_scale."""
