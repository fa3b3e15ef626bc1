"""Puts a tokenizer fixture into a .gguf file as llama.cpp's converter does: tokens, types, scores or merges, chat template."""
import json

import gguf

from gguf_kinds import GgufKind
from tokenizer_kinds import KINDS

TokenType = gguf.TokenType


def token_type(token: str, added: dict[str, bool], bytes_are_tokens: bool) -> TokenType:
    """added: whether a token is special, for those that are added to the vocabulary."""
    if token == "<unk>":
        return TokenType.UNKNOWN
    if token in added:
        return TokenType.CONTROL if added[token] else TokenType.USER_DEFINED
    is_byte = bytes_are_tokens and len(token) == 6 and token.startswith("<0x") and token.endswith(">")
    return TokenType.BYTE if is_byte else TokenType.NORMAL


def add_vocabulary(writer: gguf.GGUFWriter, description: dict, is_sentencepiece: bool, vocab_size: int) -> None:
    added = {t["content"]: t["special"] for t in description["added_tokens"]}
    ids = dict(description["model"]["vocab"]) | {t["content"]: t["id"] for t in description["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    types = [token_type(t, added, is_sentencepiece) for t in tokens]
    unused = range(len(tokens), vocab_size)
    writer.add_token_list([*tokens, *(f"[PAD{idx}]" for idx in unused)])
    writer.add_token_types([*types, *(TokenType.UNUSED for _ in unused)])
    if is_sentencepiece:
        first = types.index(TokenType.NORMAL)
        writer.add_token_scores([float(first - idx) if t == TokenType.NORMAL else 0.0 for idx, t in enumerate(types)])
    else:
        writer.add_token_merges([" ".join(merge) for merge in description["model"]["merges"]])


def add_tokenizer(writer: gguf.GGUFWriter, directory: str, kind: GgufKind) -> None:
    """directory: that of the tokenizer fixture, which has to be made first."""
    with open(f"{directory}/tokenizer.json", encoding="utf-8") as file:
        description = json.load(file)
    with open(f"{directory}/tokenizer_config.json", encoding="utf-8") as file:
        config = json.load(file)
    is_sentencepiece = description["model"]["byte_fallback"]
    writer.add_tokenizer_model("llama" if is_sentencepiece else "gpt2")
    writer.add_tokenizer_pre(kind.tokenizer_pre)
    add_vocabulary(writer, description, is_sentencepiece, kind.config["vocab_size"])
    ids = {t["content"]: t["id"] for t in description["added_tokens"]}
    writer.add_bos_token_id(ids[config["bos_token"]])
    writer.add_eos_token_id(ids[config["eos_token"]])
    if is_sentencepiece:
        writer.add_unk_token_id(ids["<unk>"])
    writer.add_add_bos_token(KINDS[kind.tokenizer].add_bos)
    if "chat_template" in config:
        writer.add_chat_template(config["chat_template"])
