"""Small tokenizers in the forms that published models use, built and trained with Hugging Face's Rust tokenizers.

Two kinds: byte-level BPE, which differ in how they cut text first, and SentencePiece-style BPE, which writes spaces as '▁' and falls
back to bytes. A tokenizer is a row of data in KINDS.
"""
from collections.abc import Callable
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_texts import CORPUS

SPACE = "\u2581"
NUM_LEARNED = 320
"""Merges that a tokenizer learns."""

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CONTRACTIONS + "|" + REST % r"\p{N}"
LLAMA3 = CONTRACTIONS + "|" + REST % r"\p{N}{1,3}"
DEEPSEEK = (
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
)


@dataclass(frozen=True)
class Kind:
    """A tokenizer: bos, eos and extra are special, `plain` tokens are added but not special, `add_bos` puts bos before every text.

    digits: every digit is a piece. flagged: added tokens with flags of their own. texts: what it is checked with beside every `common`-th of
    the common texts.
    metaspace: how the pre-tokeniser writes spaces; without it the normaliser does. byte_fallback, fuse_unk: as in the model.
    """

    build: Callable[["Kind"], Tokenizer]
    bos: str
    eos: str
    extra: str
    plain: tuple[str, ...] = ()
    add_bos: bool = False
    patterns: tuple[str, ...] = ()
    nfc: bool = False
    ignore_merges: bool = False
    digits: bool = False
    flagged: tuple[AddedToken, ...] = ()
    texts: tuple[str, ...] = ()
    common: int = 1
    metaspace: pre_tokenizers.Metaspace | None = None
    byte_fallback: bool = True
    fuse_unk: bool = True

    def special(self) -> list[str]:
        return list(dict.fromkeys((self.bos, self.eos, self.extra)))


def add_tokens(tokenizer: Tokenizer, kind: Kind) -> None:
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in kind.special()])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in kind.plain])
    tokenizer.add_tokens([t for t in kind.flagged if not t.special])
    tokenizer.add_special_tokens([t for t in kind.flagged if t.special])


def bos_template(tokenizer: Tokenizer, kind: Kind) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single=f"{kind.bos} $A", pair=f"{kind.bos} $A {kind.bos}:1 $B:1", special_tokens=[(kind.bos, tokenizer.token_to_id(kind.bos))]
    )


def byte_level(kind: Kind) -> Tokenizer:
    """Byte-level BPE: text is cut by `patterns` (GPT-2's own when there are none), and merges never cross a cut."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind.ignore_merges))
    if kind.nfc:
        tokenizer.normalizer = normalizers.NFC()
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in kind.patterns]
    digits = [pre_tokenizers.Digits(individual_digits=True)] if kind.digits else []
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not cuts)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, *digits, last]) if cuts or digits else last
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=256 + NUM_LEARNED, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    add_tokens(tokenizer, kind)
    own = processors.ByteLevel(trim_offsets=False)
    tokenizer.post_processor = processors.Sequence([own, bos_template(tokenizer, kind)]) if kind.add_bos else own
    return tokenizer


def is_known_character(character: str) -> bool:
    """Alphabets up to Hebrew, kana and '▁' have pieces; what is further is left to the bytes."""
    return character < "\u0600" or character == SPACE or "\u3040" <= character <= "\u30ff"


def learned_pieces() -> list[str]:
    """Pieces of SentencePiece-style BPE in the order in which they were learned, runs of spaces among them; then single characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=10_000, show_progress=False))
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    characters = [piece for piece, _ in by_id if len(piece) == 1 and is_known_character(piece)]
    known = set(characters)
    merged = [piece for piece, _ in by_id if len(piece) > 1 and set(piece) <= known]
    return [SPACE * 2, SPACE * 4, *merged[:NUM_LEARNED], *characters]


def all_merges(pieces: list[str]) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, best pieces first: what SentencePiece's own merging amounts to."""
    known = set(pieces)
    merges = []
    for piece in pieces:
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        cuts = [cut for cut in cuts if known.issuperset(cut)]
        merges += sorted(cuts, key=lambda cut: (pieces.index(cut[0]), pieces.index(cut[1])))
    return merges


def sentencepiece(kind: Kind) -> Tokenizer:
    """SentencePiece-style BPE. Spaces become '▁' in the normaliser (Llama) or in the pre-tokeniser (Mistral)."""
    pieces = learned_pieces()
    in_bytes = [f"<0x{byte:02X}>" for byte in range(256)] if kind.byte_fallback else []
    vocabulary = {piece: idx for idx, piece in enumerate(["<unk>", kind.bos, kind.eos, *in_bytes, *pieces])}
    model = models.BPE(vocabulary, all_merges(pieces), unk_token="<unk>", fuse_unk=kind.fuse_unk, byte_fallback=kind.byte_fallback)
    tokenizer = Tokenizer(model)
    if kind.metaspace:
        tokenizer.pre_tokenizer = kind.metaspace
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken("<unk>", normalized=False, special=True)])
    add_tokens(tokenizer, kind)
    tokenizer.post_processor = bos_template(tokenizer, kind)
    return tokenizer


FLAGGED = (
    AddedToken("<mask>", lstrip=True, normalized=False, special=True),
    AddedToken("<sep>", rstrip=True, normalized=False, special=True),
    AddedToken("<both>", lstrip=True, rstrip=True, normalized=False, special=False),
    AddedToken("cat", single_word=True, normalized=False, special=False),
    AddedToken("catalog", normalized=False, special=False),
    AddedToken("an\u0303o \u5e74", normalized=True, special=False),
    AddedToken("two words", normalized=True, lstrip=True, special=False),
)
FLAGGED_TEXTS = (
    "a <mask> b <sep> c <both> d",
    "a\u00a0\t<mask><mask>  <sep>  <sep>\u3000<mask>\n",
    "  <mask>  <both>  <both>  ",
    "cat cats, cat! concat cat_ cat\u0301 \u4f60cat\u597d catalog catalogs",
    "cat",
    "<mask>cat<sep>cat<both>",
    "an\u0303o \u5e74 a\u00f1o \u5e74 ano \u5e74",
    "say two words and  two words <sep> two words",
    "<s>first word",
    "two words first",
    "<sep>after",
)

FIRST = pre_tokenizers.Metaspace(SPACE, prepend_scheme="first", split=False)

KINDS = {
    "gpt2": Kind(byte_level, "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"),
    "qwen2": Kind(byte_level, "<|im_start|>", "<|im_end|>", "<|endoftext|>", ("<tool_call>", "</tool_call>"), patterns=(QWEN2,), nfc=True),
    "llama3": Kind(
        byte_level, "<|begin_of_text|>", "<|eot_id|>", "<|end_of_text|>", add_bos=True, patterns=(LLAMA3,), ignore_merges=True
    ),
    "deepseek-v3": Kind(
        byte_level, "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", ("<think>", "</think>"), add_bos=True, patterns=DEEPSEEK
    ),
    "smollm": Kind(byte_level, "<|im_start|>", "<|im_end|>", "<|endoftext|>", digits=True),
    "llama": Kind(sentencepiece, "<s>", "</s>", "<pad>", add_bos=True),
    "mistral": Kind(sentencepiece, "<s>", "</s>", "[INST]", ("[/INST]",), add_bos=True, metaspace=FIRST),
    "flags-bytes": Kind(
        byte_level, "<s>", "</s>", "<pad>", patterns=(QWEN2,), nfc=True, flagged=FLAGGED, texts=FLAGGED_TEXTS, common=4
    ),
    "flags-prepend": Kind(sentencepiece, "<s>", "</s>", "<pad>", flagged=FLAGGED, texts=FLAGGED_TEXTS, common=4),
    "flags-first": Kind(sentencepiece, "<s>", "</s>", "<pad>", metaspace=FIRST, flagged=FLAGGED, texts=FLAGGED_TEXTS, common=4),
    "unknown": Kind(sentencepiece, "<s>", "</s>", "<pad>", byte_fallback=False, common=3),
    "unknown-split": Kind(
        sentencepiece, "<s>", "</s>", "<pad>", byte_fallback=False, fuse_unk=False, common=3,
        metaspace=pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=True),
    ),
}
