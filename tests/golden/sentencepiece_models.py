"""Small SentencePiece models, and what `sentencepiece` and transformers make of listed and drawn strings with them.

Usage: sentencepiece_models.py --text FILE ... --out tests/golden/tokenizer   (texts that the models are trained on)

Writes:
  sentencepiece.json.gz   the models (Base64) by name; for each the ids of the listed strings and the texts that come back,
                          and for every ten of the drawn ones the first 12 hex digits of the SHA-256 of their ids
                          (little-endian int32) and texts (UTF-8), one after the other; the same for transformers'
                          LlamaTokenizer, from tokenizer.model and from tokenizer.json, for each of its settings. The
                          strings are those of ids.json.gz and the ones below.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import random
import struct
import tempfile
from pathlib import Path

import sentencepiece
import transformers
from transformers import AutoTokenizer

BLOCK = 10

MORE = [
    "  ",
    " a",
    "a ",
    " a  b   c ",
    "▁a▁ ▁b▁▁",
    "<s>a</s> b<s>",
    "<sep>a<sep> b <sep><sep>  c<sep",
    "x<|u|>y <|u|> z",
    "<unk> <0x41> <pad>",
    "the the thethe  the\nthe\t the",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ＡＢＣ ﬁﬂ ① \u212b \u00c5 A\u030a ½ ㍿ ab abc abd ſ Ａ\u0301",
    "e\u0301 E\u0301\u0323 \u0301 \r\n \r x",
    "日本語のテキスト 漢字 你好，世界！",
]

RULES = [
    # A map of our own: small, with prefixes of one another, with what vanishes and what becomes a space.
    ("\t", " "), ("\n", " "), ("\r", " "), ("\u3000", " "), ("\u00a0", " "), ("\u200b", ""), ("\x07", ""),
    ("ﬁ", "fi"), ("\u212b", "\u00c5"), ("e\u0301", "\u00e9"), ("E\u0301", "\u00c9"), ("E\u0301\u0323", "\u1eb8\u0301"), ("①", "1"), ("½", "1/2"),
    ("Ａ", "A"), ("Ｂ", "B"), ("Ａ\u0301", "\u00c1"), ("㍿", "株式会社"), ("ab", "AB"), ("abc", "C"), ("ſ", "s"),
]  # fmt: skip

COMMON = dict(hard_vocab_limit=False, num_threads=1, minloglevel=2, max_sentence_length=20000)
IDENTITY = dict(normalization_rule_name="identity")
MODELS = {
    "bpe-bytes": dict(model_type="bpe", vocab_size=900, byte_fallback=True, split_digits=True,
                      allow_whitespace_only_pieces=True, remove_extra_whitespaces=False, **IDENTITY),
    "bpe-rules": dict(model_type="bpe", vocab_size=700, user_defined_symbols=["<sep>", "<|u|>", "<sep>a", "  "],
                      control_symbols=["<ctl>"], normalization_rule_tsv="rules"),
    "bpe-suffix": dict(model_type="bpe", vocab_size=600, treat_whitespace_as_suffix=True, pad_id=3, **IDENTITY),
    "bpe-loose": dict(model_type="bpe", vocab_size=700, split_by_whitespace=False, add_dummy_prefix=False,
                      split_by_unicode_script=False, byte_fallback=True, remove_extra_whitespaces=False, **IDENTITY),
    "unigram": dict(model_type="unigram", vocab_size=600, **IDENTITY),
    "unigram-rules": dict(model_type="unigram", vocab_size=900, byte_fallback=True, add_dummy_prefix=False,
                          user_defined_symbols=["<sep>", "<|u|>"], normalization_rule_tsv="rules"),
    "unigram-loose": dict(model_type="unigram", vocab_size=700, split_by_whitespace=False, escape_whitespaces=True,
                          remove_extra_whitespaces=False, byte_fallback=True, **IDENTITY),
}  # fmt: skip

LLAMA = {
    "legacy": {"legacy": True},
    "first": {"legacy": False},
    "default": {},
    "bare": {"legacy": False, "add_prefix_space": False},
    "bos": {"legacy": True, "add_bos_token": True, "add_eos_token": True},
}


def well_formed(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def train(settings: dict, texts: list[str]) -> bytes:
    settings = dict(settings)
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        if "normalization_rule_tsv" in settings:
            for source, target in RULES:
                codes = [" ".join(f"{ord(char):X}" for char in side) for side in (source, target)]
                rules.write("\t".join(codes) + "\n")
            rules.flush()
            settings["normalization_rule_tsv"] = rules.name
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=model, **COMMON, **settings
        )
    return model.getvalue()


def without_path(model: bytes) -> bytes:
    """The rules are in the model; the name of their file is not worth keeping."""
    from sentencepiece import sentencepiece_model_pb2 as pb2

    proto = pb2.ModelProto.FromString(model)
    proto.normalizer_spec.normalization_rule_tsv = ""
    proto.trainer_spec.ClearField("input")
    return proto.SerializeToString(deterministic=True)


def results(encode, decode, listed: list[str], drawn: list[str]) -> dict:
    listed_ids = [encode(well_formed(text)) for text in listed]
    digests = []
    for first in range(0, len(drawn), BLOCK):
        hashed = hashlib.sha256()
        for text in drawn[first : first + BLOCK]:
            ids = encode(well_formed(text))
            hashed.update(struct.pack(f"<{len(ids)}i", *ids) + decode(ids).encode())
        digests.append(hashed.hexdigest()[:12])
    return {"ids": listed_ids, "texts": [decode(ids) for ids in listed_ids], "digests": digests}


def llama(model: bytes, settings: dict, as_json: bool, listed: list[str], drawn: list[str]) -> tuple[dict, str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tokenizer.model").write_bytes(model)
        config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
        (folder / "tokenizer_config.json").write_text(json.dumps(config | settings))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        made = ""
        if as_json:
            made = tokenizer.backend_tokenizer.to_str()
            # A file of the older layout, whose parts the class puts its own in place of.
            value = json.loads(made)
            prepend = [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
            value["normalizer"] = {"type": "Sequence", "normalizers": prepend}
            value["pre_tokenizer"] = None
            around = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
            known = {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
            value["post_processor"] = {
                "type": "TemplateProcessing", "single": around, "pair": around, "special_tokens": known,
            }  # fmt: skip
            made = json.dumps(value, ensure_ascii=False)
            (folder / "tokenizer.model").unlink()
            (folder / "tokenizer.json").write_text(made)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        specials = tokenizer.encode("a", add_special_tokens=True)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
        found = results(encode, lambda ids: tokenizer.decode(ids), listed, drawn)
        return {"config": config | settings, "with_specials": specials, **found}, made


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--text", nargs="+", required=True)
    args = arguments.parse_args()
    out = Path(args.out)
    with gzip.open(out / "ids.json.gz") as file:
        strings = json.load(file)
    listed, drawn = strings["listed"] + MORE, strings["drawn"]

    lines = [line for path in args.text for line in Path(path).read_text().splitlines()]
    texts = [json.loads(line)["text"] if line.startswith("{") else line for line in lines]
    texts = [text[:2000] for text in texts if text.strip()]
    random.Random(7).shuffle(texts)
    texts = texts[:400] + [well_formed(text) for text in strings["listed"] if 0 < len(text) < 300]

    models, goldens = {}, {}
    for name, settings in MODELS.items():
        model = without_path(train(settings, texts))
        models[name] = model
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        goldens[name] = results(
            lambda text: processor.encode(text), lambda ids: processor.decode(ids), listed, drawn
        )
        print(name, len(model), processor.get_piece_size())
    llamas, made = {}, ""
    for name, settings in LLAMA.items():
        for as_json in (False, True):
            key = f"{name}-{'json' if as_json else 'model'}"
            llamas[key], text = llama(models["bpe-bytes"], settings, as_json, listed, drawn)
            made = text or made
    value = {
        "versions": {"sentencepiece": sentencepiece.__version__, "transformers": transformers.__version__},
        "more": MORE,
        "models": {name: base64.b64encode(model).decode() for name, model in models.items()},
        "goldens": goldens,
        "llama_json": made,
        "llamas": llamas,
    }
    text = json.dumps(value, separators=(",", ":")) + "\n"
    with open(out / "sentencepiece.json.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode())


main()
