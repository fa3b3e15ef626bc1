"""Makes test/fixtures/models/gguf-tokenizers: what the names in a .gguf file's tokenizer make of texts, by independent software.

golden.json holds
    texts
    byte_level      {tokens, merges, ids: {a name of tokenizer.ggml.pre: [ids of each text]}} by Hugging Face's Rust tokenizers.
                    The merges were learned from the texts themselves without any cuts, so that every cut shows in the ids.
    sentencepiece   [{tokens, types, scores, add_space_prefix, ids, decoded: {index of a text that does not come back: what does}}]
                    by the sentencepiece package; scores of the second, which has no prefix, are in groups of equal ones
"""
import json
import os
import re

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from gguf_tokenizer import token_type
from tokenizer_kinds import CONTRACTIONS, DEEPSEEK, LLAMA3, QWEN2, learned_pieces
from tokenizer_texts import CORPUS, TEXTS
from weights import write_json

NUM_LEARNED = 900
MERGE_LENGTH_MAX = 6


def cased(but: str = "", behind: str = "", numbers: str = r"\p{N}{1,3}", signs: str = "/") -> str:
    """Words cut where lower case turns to upper case, as GPT-4o's tokenizer has them."""
    upper, lower, before = rf"[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{but}]", rf"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{but}]", r"[^\r\n\p{L}\p{N}]?"
    word = rf"{before}{upper}*{lower}+{behind}|{before}{upper}+{lower}*{behind}"
    return rf"{word}|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n{signs}]*|\s*[\r\n]+|\s+(?!\S)|\s+"


GPT4O = cased(behind=CONTRACTIONS + "?")
TEKKEN = cased(numbers=r"\p{N}")
KIMI = r"[\p{Han}]+|" + cased(but=r"&&[^\p{Han}]", behind=CONTRACTIONS + "?", signs="")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
LETTER_RANGES = """
41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C 38E-3A1 3A3-3F5
3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 1D79-1D9A 1E00-1F15
1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC
1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D
212F-2134 2139 213C-213F 2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B
A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 104D8-104FB
10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943
"""
LETTERS = re.sub("[0-9A-F]+", r"\\x{\g<0>}", LETTER_RANGES).replace(" ", "").replace("\n", "")
"""Letters with cases, written as code points, since some of them do not survive normalisation in an editor."""
CJK = "[一-龥ࠀ-一가-퟿]+"
DIGITS = pre_tokenizers.Digits(individual_digits=True)

SPLITS = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "gpt-2": [],
    "olmo": [],
    "smollm": [DIGITS],
    "llama-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "deepseek-llm": ["[\r\n]", rf"\s?[{LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", CJK, DIGITS],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, DIGITS],
    "deepseek-v3": list(DEEPSEEK),
    "glm4": [LLAMA3],
    "gpt-4o": [GPT4O],
    "minimax-m2": [GPT4O],
    "kimi-k2": [KIMI],
    "tekken": [TEKKEN],
}
NFC = {"qwen2", "olmo"}
IGNORE_MERGES = {"llama-bpe", "tekken"}
OWN_WORDS = {"gpt-2", "olmo", "smollm"}
"""Those that cut words as ByteLevel does by itself."""

SPLIT_TEXTS = [
    "camelCaseHTMLParser's XMLHttp'S DON'T don'T it'LL",
    "Été ÉTÉ éTÉ ǅungla ʰa ßẞ ΑΒγ",
    "word中文word 中文字がな カタカナー한국어1한",
    "a\u0085b\u2028c\u00a0d\ufeffe \u0085\n",
    "x\r\n\r\ny \r\n z\n\n\n\n  w\t\n",
    "/path//to/\n//c !/\r\n/?\n\n",
    "1 12 123 1234 12345 1234567 a1b22c333d4444",
    "\u0661\u0662\u0663\u0664 \u0967\u0968 \u2167\u00bd\u00b2\u2460",
    "\t\tx\t y  z   \u3000w    ",
    "!important ?query #tag .dot,comma _under \u2026\u3002\u3001\uff01 \u201cq\u201d $x+<=>^~|",
    "e\u0301te\u0301 a\u0300\u0301\u0302b \u0e17\u0e35\u0e48 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001d400\U0001d401 \U00020000\U00020001 😀😀 👩\u200d💻x",
    "def f(x):\n\treturn {'a': [x, 1.5e-10]}  # ok\n",
]


def texts() -> list[str]:
    return [*SPLIT_TEXTS, *[text for text in TEXTS if text and "{" not in text][::2]]


def with_splits(name: str, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=name in IGNORE_MERGES))
    if name in NFC:
        tokenizer.normalizer = normalizers.NFC()
    cuts = [pre_tokenizers.Split(Regex(cut), "isolated") if isinstance(cut, str) else cut for cut in SPLITS[name]]
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=name in OWN_WORDS)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, last])
    return tokenizer


def learn_uncut() -> tuple[dict[str, int], list[tuple[str, str]]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=256 + NUM_LEARNED, initial_alphabet=alphabet, show_progress=False, max_token_length=MERGE_LENGTH_MAX
    )
    tokenizer.train_from_iterator([*texts(), *CORPUS], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def byte_level() -> dict:
    vocabulary, merges = learn_uncut()
    ids = {}
    for name in SPLITS:
        tokenizer = with_splits(name, vocabulary, merges)
        ids[name] = [tokenizer.encode(text).ids for text in texts()]
    ways = {(str(SPLITS[name]), name in NFC, name in OWN_WORDS) for name in SPLITS}
    if len({str(rows) for rows in ids.values()}) != len(ways):
        raise ValueError("two ways to cut give the same ids: the texts have to tell them apart")
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    return {"tokens": tokens, "merges": [" ".join(merge) for merge in merges], "ids": ids}


def sentencepiece_model(tokens: list[str], types: list[int], scores: list[float], add_prefix: bool) -> sentencepiece.SentencePieceProcessor:
    model = proto.ModelProto()
    for token, kind, score in zip(tokens, types, scores, strict=True):
        model.pieces.add(piece=token, type=kind, score=score)
    model.trainer_spec.model_type = proto.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = add_prefix
    model.normalizer_spec.remove_extra_whitespaces = False
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def sentencepiece_entry(add_prefix: bool, num_equal: int) -> dict:
    """num_equal: pieces that have the same score."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *learned_pieces()]
    added = {"<s>": True, "</s>": True}
    types = [int(token_type(token, added, bytes_are_tokens=True)) for token in tokens]
    scores = [-float((idx - 259) // num_equal) if idx >= 259 else 0.0 for idx in range(len(tokens))]
    processor = sentencepiece_model(tokens, types, scores, add_prefix)
    ids = [processor.encode(text) for text in texts()]
    decoded = [processor.decode(row) for row in ids]
    return {
        "tokens": tokens,
        "types": types,
        "scores": scores,
        "add_space_prefix": add_prefix,
        "ids": ids,
        "decoded": {str(idx): text for idx, text in enumerate(decoded) if text != texts()[idx]},
    }


def make_gguf_splits(directory: str) -> str:
    os.makedirs(directory, exist_ok=True)
    golden = {
        "format": "switchyard-gguf-tokenizers-golden",
        "version": 1,
        "generator": "tools/golden/make.py",
        "made_by": f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}",
        "texts": texts(),
        "byte_level": byte_level(),
        "sentencepiece": [sentencepiece_entry(True, 1), sentencepiece_entry(False, 3)],
    }
    write_json(f"{directory}/golden.json", golden)
    return f"{len(SPLITS)} ways to cut, {len(texts())} texts"
