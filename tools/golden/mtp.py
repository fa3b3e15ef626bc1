"""MTP logits in plain PyTorch: transformers leaves the layer out. Formula: DeepSeek-V3 paper (arXiv 2412.19437), section 2.2.

    x_i = W_eh [RMSNorm(embed(token i+1), enorm) ; RMSNorm(h_i, hnorm)]
    draft_i = head(RMSNorm(decoder layer(x)_i, shared_head.norm)), a prediction of token i + 2

h_i is the main model's hidden state after its final norm, as DeepSeek's released weights want it; x_i stands at position i. The decoder
layer inside is of the family's own kind, for which transformers' layer of the next number is taken.
"""
from collections.abc import Sequence

import torch
from torch.nn import functional

import reference


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class MtpLayer:
    """The MTP layer of a checkpoint; `weights` are the checkpoint's tensors, dequantised, and `directory` holds them as files."""

    def __init__(self, directory: str, config: dict, weights: dict[str, torch.Tensor], dtype: torch.dtype) -> None:
        self.layer_idx = config["num_hidden_layers"]
        prefix = f"model.layers.{self.layer_idx}."
        self.own = {name.removeprefix(prefix): t.to(dtype) for name, t in weights.items() if name.startswith(prefix)}
        self.eps = config["rms_norm_eps"]
        longer = reference.load(directory, config, dtype, num_hidden_layers=self.layer_idx + 1)
        self.decoder_layer = longer.model.layers[self.layer_idx]
        self.rotary = longer.model.rotary_emb

    @torch.no_grad()
    def logits(self, model, ids: Sequence[int]) -> torch.Tensor:
        """Draft logits for a prompt: [tokens - 1, vocabulary]; row i sees tokens up to i + 1."""
        hidden = model.model(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[:, :-1]
        embedded = functional.embedding(torch.tensor([ids[1:]]), self.own["embed_tokens.weight"])
        pair = (rms_norm(embedded, self.own["enorm.weight"], self.eps), rms_norm(hidden, self.own["hnorm.weight"], self.eps))
        x = functional.linear(torch.cat(pair, -1), self.own["eh_proj.weight"])
        length = x.shape[1]
        positions = torch.arange(length)[None]
        future = torch.full((length, length), torch.finfo(x.dtype).min, dtype=x.dtype).triu(1)[None, None]
        x = self.decoder_layer(
            x, attention_mask=future, position_ids=positions, position_embeddings=self.rotary(x, positions), use_cache=False
        )
        x = rms_norm(x, self.own["shared_head.norm.weight"], self.eps)
        return functional.linear(x, self.own["shared_head.head.weight"])[0]
