"""The texts that tokenizers are trained on and checked with: written for this file, in several languages, with emoji and code."""

CORPUS = """
The router sends every request to the prefill engine with the longest cached prefix, and decode engines pull the keys and values.
A token's hidden state travels to the rank that holds its expert; the answer comes back and is added to the residual stream.
It's a quiet morning. They're waiting, we've seen it, I'll go, she'd say: don't worry, that's what he's paid for!
In 2024, 1,234,567 people counted 3.14159 apples; 42% of them were red, 100% were sweet, and 7 cost $12.50 each.
Der schnelle Fuchs springt über den faulen Hund. Straße, Mädchen, Äpfel und Öl: größer als gewöhnlich, würde ich sagen.
Le garçon mange une crème brûlée près de l'hôtel où il a déjà été. Ça va très bien, merci, à bientôt, mon élève.
El niño pequeño comió una piña mañana por la mañana. ¿Qué pasó? ¡Nada! Así que el corazón siguió latiendo.
Быстрая лиса перепрыгнула через ленивую собаку, и никто не знал, почему она это сделала. Привет, мир! Как дела?
Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί. Καλημέρα κόσμε, τι κάνεις σήμερα;
敏捷的棕色狐狸跳过了懒狗。今天的天气很好，我们一起去公园散步吧。你好，世界！人工智能模型在回答问题。
素早い茶色の狐はのろまな犬を飛び越えた。今日はとても良い天気ですね。こんにちは、世界！カタカナとひらがな。
빠른 갈색 여우가 게으른 개를 뛰어넘는다. 안녕하세요, 세계! 오늘은 날씨가 좋습니다.
الثعلب البني السريع يقفز فوق الكلب الكسول. مرحبا بالعالم! كيف حالك اليوم؟
השועל החום המהיר קופץ מעל הכלב העצלן. שלום עולם! מה שלומך היום?
तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। नमस्ते दुनिया! आप कैसे हैं?
สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ สวัสดีชาวโลก วันนี้อากาศดี
Con cáo nâu nhanh nhẹn nhảy qua con chó lười. Xin chào thế giới! Hôm nay trời đẹp quá.
Hızlı kahverengi tilki tembel köpeğin üstünden atlar. İstanbul'da ışık güzeldir, değil mi?
😀 😃 🎉 🚀 ❤️ 👍🏽 👩‍💻 🇩🇪 🇯🇵 👨‍👩‍👧‍👦 hello 😀😀😀 world 🎉🎉
def add(a, b):
    \"\"\"Adds two numbers.\"\"\"
    return a + b

for i in range(10):
    if i % 2 == 0:
        print(f"{i} is even", end="\\n")
    else:
        continue
class Node:
    def __init__(self, value=None, next=None):
        self.value = value
        self.next = next
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
#include <cstdint>
template <typename T> static inline T clamp(T x, T low, T high) { return x < low ? low : x > high ? high : x; }
SELECT name, COUNT(*) FROM requests WHERE latency_ms > 250 GROUP BY name ORDER BY 2 DESC;
{"role": "user", "content": "What is the weather in Paris?", "tools": [{"name": "get_weather", "arguments": {"city": "Paris"}}]}
<html><body class="main"><p>Hello &amp; welcome</p></body></html>
https://example.org/path/to/page.html?query=value&other=1#fragment user.name+tag@example.com
""".strip().split("\n")

TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "\t\tindented",
    "Hello, world!",
    " leading space",
    "trailing space ",
    "two  spaces   three    four",
    "line one\nline two\r\nline three\n\n\nafter a gap",
    "   \n  \n mixed \t whitespace \u00a0 no-break \u2003 em \u3000 wide",
    "don't DON'T Don't they'll WE'VE i'm you're it's he'd",
    "O\u2019Brien\u2019s \u2018quoted\u2019 \u201ctext\u201d \u2014 dash \u2026 dots",
    "1 12 123 1234 12345 1234567890 3.14159 1,000,000 0x1F 1e-10",
    "\u0661\u0662\u0663 \u0967\u0968\u0969 \u00bd \u00b2 \u2167 \u2460",
    "The quick brown fox jumps over the lazy dog.",
    "Stra\u00dfe \u00dcber \u00c4pfel gr\u00f6\u00dfer",
    "cre\u0300me bru\u0302le\u0301e (decomposed) and cr\u00e8me br\u00fbl\u00e9e (composed)",
    "\u00bfQu\u00e9 pas\u00f3? \u00a1Nada!",
    "Привет, мир! Как дела?",
    "Καλημέρα κόσμε",
    "你好，世界！今天天气很好。",
    "这是一个2024年的模型abc测试",
    "こんにちは、世界！カタカナ ﾊﾝｶｸ",
    "안녕하세요 세계",
    "\u1112\u1161\u11ab\u1100\u1173\u11af (jamo)",
    "مرحبا بالعالم! كيف حالك؟",
    "שָׁלוֹם עולם",
    "नमस्ते दुनिया! क्षत्रिय",
    "สวัสดีชาวโลก",
    "Xin chào thế giới",
    "İstanbul ISPARTA ıi",
    "\U0001d400\U0001d401 mathematical \U0001f130 squared",
    "😀",
    "😀😃🎉🚀",
    "a😀b 😀 c",
    "👍🏽 👩\u200d💻 👨\u200d👩\u200d👧\u200d👦 🇩🇪🇯🇵",
    "❤️ ☺️ ✈︎ #️⃣",
    "rare: \U0001faf8 \U0001fae8 \ufffd \ue000",
    "zero\u200bwidth \u200djoiner \ufeffbom \u00adsoft",
    "control \x00\x01\x1b[31m\x7f end",
    "def add(a, b):\n    return a + b\n",
    "for i in range(10):\n\tif i % 2 == 0:\n\t\tprint(f\"{i}\")\n",
    "        deep = {'a': [1, 2, 3], \"b\": None}  # comment",
    "export const f = (x: number): number => x ** 2;",
    "#include <vector>\nint main() { return 0; }",
    "SELECT * FROM t WHERE x >= 10 AND y != 'z';",
    "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\"}}",
    "https://example.org/a/b?c=d&e=f#g",
    "snake_case camelCase PascalCase kebab-case SCREAMING_CASE",
    "!!! ??? ... --- ___ *** ((())) [[]] {{}} <<>> //\\\\",
    "wow!!!\n\nreally???\r\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "▁already▁metaspace ▁ ▁▁",
    "<0x41> <0xE2><0x96><0x81> is text, not bytes",
    "{bos}starts with a special token",
    "before{eos}after",
    "{bos}{eos}{eos} {bos} spaced {eos}",
    "{eos}\n\n{bos}  two spaces after",
    "almost {bos:short} special",
    "{extra} first {extra}second{extra}{extra}",
    "word{extra} 😀{extra}你好{eos}",
]
"""Placeholders stand for a tokenizer's own special tokens; {bos:short} for the first one without its last character."""


def texts_for(bos: str, eos: str, extra: str) -> list[str]:
    """TEXTS with a tokenizer's tokens in place of the placeholders."""
    places = {"{bos}": bos, "{eos}": eos, "{extra}": extra, "{bos:short}": bos[:-1]}
    filled = []
    for text in TEXTS:
        for place, token in places.items():
            text = text.replace(place, token)
        filled.append(text)
    return filled
