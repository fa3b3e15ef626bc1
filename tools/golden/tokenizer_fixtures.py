"""Makes test/fixtures/models/tokenizers: tokenizer.json of every kind, and what Hugging Face's Rust tokenizers make of texts with it.

golden.json of a tokenizer holds
    texts      [{text, ids, text_back if decoding the ids gives another text, text_clean without special tokens if that differs}]
    with_bos   [{text, ids}] with what the tokenizer adds around a text
    decoded    [{ids, text}] of random ids, most of which are no valid UTF-8
    chats      [{messages, tools, add_generation_prompt, text | error}] by the template of tokenizer_config.json, if there is one
"""
import os

import jinja2
import numpy as np
import tokenizers
import transformers
from tokenizers import Tokenizer

from chat_templates import CONVERSATIONS, TEMPLATES
from tokenizer_kinds import KINDS, Kind
from tokenizer_texts import texts_for
from weights import write_json

NUM_RANDOM = 12
RANDOM_LENGTH = 10
SEED = 9


def text_entry(tokenizer: Tokenizer, text: str) -> dict:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    entry = {"text": text, "ids": ids}
    back = tokenizer.decode(ids, skip_special_tokens=False)
    clean = tokenizer.decode(ids, skip_special_tokens=True)
    if back != text:
        entry["text_back"] = back
    if clean != back:
        entry["text_clean"] = clean
    return entry


def random_entries(tokenizer: Tokenizer) -> list[dict]:
    random = np.random.default_rng(SEED)
    rows = random.integers(0, tokenizer.get_vocab_size(), (NUM_RANDOM, RANDOM_LENGTH)).tolist()
    return [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)} for ids in rows]


def chat_entries(directory: str) -> list[dict]:
    """Conversations by transformers, with and without a prompt for the answer; an error that the template raises is a result too."""
    wrapper = transformers.PreTrainedTokenizerFast.from_pretrained(directory)
    entries = []
    for conversation in CONVERSATIONS:
        for prompted in (False, True):
            entry = {**conversation, "add_generation_prompt": prompted}
            try:
                entry["text"] = wrapper.apply_chat_template(
                    conversation["messages"], tools=conversation.get("tools"), add_generation_prompt=prompted, tokenize=False
                )
            except jinja2.TemplateError as error:
                entry["error"] = str(error)
            entries.append(entry)
    return entries


def write_config(directory: str, name: str, kind: Kind) -> None:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": kind.bos,
        "eos_token": kind.eos,
        "clean_up_tokenization_spaces": False,
    }
    if name in TEMPLATES:
        config["chat_template"] = TEMPLATES[name]
    write_json(f"{directory}/tokenizer_config.json", config)


def make_tokenizer(name: str, directory: str) -> str:
    kind = KINDS[name]
    os.makedirs(directory, exist_ok=True)
    tokenizer = kind.build(kind)
    tokenizer.save(f"{directory}/tokenizer.json", pretty=False)
    write_config(directory, name, kind)
    texts = [*texts_for(kind.bos, kind.eos, kind.extra)[:: kind.common], *kind.texts]
    golden = {
        "format": "switchyard-tokenizer-golden",
        "version": 1,
        "generator": "tools/golden/make.py",
        "made_by": f"tokenizers {tokenizers.__version__}, transformers {transformers.__version__}",
        "texts": [text_entry(tokenizer, text) for text in texts],
        "with_bos": [{"text": text, "ids": tokenizer.encode(text).ids} for text in ("", texts[5], texts[-1])],
        "decoded": random_entries(tokenizer),
    }
    if name in TEMPLATES:
        golden["chats"] = chat_entries(directory)
    write_json(f"{directory}/golden.json", golden)
    return f"{tokenizer.get_vocab_size()} tokens, {len(texts)} texts"
