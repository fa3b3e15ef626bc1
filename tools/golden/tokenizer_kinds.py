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
    """A tokenizer: bos, eos and extra are special, `plain` tokens are added but not special, `add_bos` puts bos before every text."""

    build: Callable[["Kind"], Tokenizer]
    bos: str
    eos: str
    extra: str
    plain: tuple[str, ...] = ()
    add_bos: bool = False
    patterns: tuple[str, ...] = ()
    nfc: bool = False
    ignore_merges: bool = False

    def special(self) -> list[str]:
        return list(dict.fromkeys((self.bos, self.eos, self.extra)))


def add_tokens(tokenizer: Tokenizer, kind: Kind) -> None:
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in kind.special()])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in kind.plain])


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
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not cuts)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, last]) if cuts else last
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


def sentencepiece(kind: Kind, metaspace: bool) -> Tokenizer:
    """SentencePiece-style BPE with byte fallback. Spaces become '▁' in the normaliser (Llama) or in the pre-tokeniser (Mistral)."""
    pieces = learned_pieces()
    first = ["<unk>", kind.bos, kind.eos, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {piece: idx for idx, piece in enumerate([*first, *pieces])}
    tokenizer = Tokenizer(models.BPE(vocabulary, all_merges(pieces), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken("<unk>", normalized=False, special=True)])
    add_tokens(tokenizer, kind)
    tokenizer.post_processor = bos_template(tokenizer, kind)
    return tokenizer


KINDS = {
    "gpt2": Kind(byte_level, "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"),
    "qwen2": Kind(byte_level, "<|im_start|>", "<|im_end|>", "<|endoftext|>", ("<tool_call>", "</tool_call>"), patterns=(QWEN2,), nfc=True),
    "llama3": Kind(
        byte_level, "<|begin_of_text|>", "<|eot_id|>", "<|end_of_text|>", add_bos=True, patterns=(LLAMA3,), ignore_merges=True
    ),
    "deepseek-v3": Kind(
        byte_level, "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", ("<think>", "</think>"), add_bos=True, patterns=DEEPSEEK
    ),
    "llama": Kind(lambda kind: sentencepiece(kind, metaspace=False), "<s>", "</s>", "<pad>", add_bos=True),
    "mistral": Kind(lambda kind: sentencepiece(kind, metaspace=True), "<s>", "</s>", "[INST]", ("[/INST]",), add_bos=True),
}
