"""Quantised forms of a checkpoint: what its file holds, and what its golden computes with."""
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Weights = dict[str, torch.Tensor]
FP8_BLOCK = 128
NOT_QUANTISED = ("lm_head.weight", "embed_tokens.weight", "mlp.gate.weight", "shared_head.head.weight", "eh_proj.weight")


@dataclass(frozen=True)
class Scheme:
    """quantise and dequantise map a checkpoint's tensors; `activations` opens a context in which the golden is computed.

    error: how far, in parts of the range of the logits, fp32 may be from fp64; a rounding that falls otherwise shows in int8.
    """

    quantise: Callable[[Weights], Weights]
    dequantise: Callable[[Weights], Weights]
    activations: Callable[[Weights], AbstractContextManager]
    notes: tuple[str, ...] = ()
    error: float = 1e-5


def is_quantised(name: str, tensor: torch.Tensor) -> bool:
    return tensor.dim() == 2 and not name.endswith(NOT_QUANTISED)


def spread_blocks(scales: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """One scale for each element of a matrix in blocks of 128 x 128; blocks at the edges are cut."""
    rows = scales.repeat_interleave(FP8_BLOCK, 0)[: shape[0]]
    return rows.repeat_interleave(FP8_BLOCK, 1)[:, : shape[1]]


def block_maxima(weight: torch.Tensor) -> torch.Tensor:
    """Largest magnitude of every 128 x 128 block: [ceil(rows / 128), ceil(columns / 128)]."""
    padding = (0, -weight.shape[1] % FP8_BLOCK, 0, -weight.shape[0] % FP8_BLOCK)
    padded = functional.pad(weight.abs(), padding)
    blocks = padded.unflatten(1, (-1, FP8_BLOCK)).unflatten(0, (-1, FP8_BLOCK))
    return blocks.amax((1, 3))


def quantise_fp8(weights: Weights) -> Weights:
    """DeepSeek's form: float8_e4m3fn values, and weight_scale_inv, the fp32 factor that turns a block's values into weights."""
    quantised = {}
    for name, tensor in weights.items():
        if not is_quantised(name, tensor):
            quantised[name] = tensor
            continue
        scales = block_maxima(tensor.float()) / torch.finfo(torch.float8_e4m3fn).max
        quantised[name] = (tensor.float() / spread_blocks(scales, tensor.shape)).to(torch.float8_e4m3fn)
        quantised[f"{name}_scale_inv"] = scales
    return quantised


def dequantise_fp8(stored: Weights) -> Weights:
    scales = {n.removesuffix("_scale_inv"): t for n, t in stored.items() if n.endswith("_scale_inv")}
    return {
        name: tensor.float() * spread_blocks(scales[name], tensor.shape) if name in scales else tensor
        for name, tensor in stored.items()
        if not name.endswith("_scale_inv")
    }


def quantise_w8a8(weights: Weights) -> Weights:
    """compressed-tensors' int-quantized form: int8 values and weight_scale, one fp32 factor for each output row: [rows, 1]."""
    quantised = {}
    for name, tensor in weights.items():
        if not is_quantised(name, tensor):
            quantised[name] = tensor
            continue
        scales = tensor.float().abs().amax(1, keepdim=True) / 127
        quantised[name] = (tensor.float() / scales).round().to(torch.int8)
        quantised[f"{name}_scale"] = scales
    return quantised


def dequantise_w8a8(stored: Weights) -> Weights:
    return {
        name: tensor.float() * stored[f"{name}_scale"] if f"{name}_scale" in stored else tensor
        for name, tensor in stored.items()
        if not name.endswith("weight_scale")
    }


def fake_quantise(x: torch.Tensor) -> torch.Tensor:
    """int8 and back, a scale for each token: amax / 127, ties to even. A token of zeros stays so."""
    scales = x.abs().amax(-1, keepdim=True) / 127
    return torch.where(scales > 0, (x / scales).round().clamp(-127, 127), 0) * scales


class QuantisedActivations(TorchFunctionMode):
    """Quantises what enters a linear layer, except the layers whose weights are not quantised: output layer and routers."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.full_shapes = {tuple(t.shape) for n, t in weights.items() if t.dim() == 2 and not is_quantised(n, t)}
        shared = self.full_shapes & {tuple(t.shape) for n, t in weights.items() if is_quantised(n, t)}
        if shared:
            raise ValueError(f"shapes {shared} belong to quantised and to other weights")

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is functional.linear and tuple(args[1].shape) not in self.full_shapes:
            args = (fake_quantise(args[0]), *args[1:])
        return function(*args, **(kwargs or {}))


def same(weights: Weights) -> Weights:
    return weights


SCHEMES = {
    "": Scheme(same, same, lambda _: contextlib.nullcontext()),
    "fp8": Scheme(
        quantise_fp8,
        dequantise_fp8,
        lambda _: contextlib.nullcontext(),
        ("weights dequantised to fp32 (value * weight_scale_inv of its block); activations are not quantised",),
    ),
    "w8a8": Scheme(
        quantise_w8a8,
        dequantise_w8a8,
        QuantisedActivations,
        (
            "weights dequantised to fp32 (value * weight_scale of its row)",
            "inputs of quantised layers go through int8, each token by its own scale amax / 127, rounded to nearest, ties to even",
            "output layer and routers are not quantised",
        ),
        error=2e-2,
    ),
}
