"""LLaMA-Factory's own modules, from a git clone and without its packages' other imports, for llamafactory_templates.py.

Only the modules asked for are loaded, with a stand-in for its multimodal plugins, so that torch is not.
"""

import datetime
import importlib
import io
import logging
import os
import subprocess
import sys
import tarfile
import tempfile
import types

HEAD = "ff6d4d12"  # August 2026
LEGACY = "5cccaeec8^"  # before 19 templates went, January 2026
LEGACY_NAMES = """aquila atom baichuan baichuan2 belle bluelm chatglm2 codegeex2 codegeex4 cpm cpm3 intern marco orion
skywork_o1 telechat xverse yayi ziya""".split()
REPOSITORY = sys.argv[1]
logging.disable(logging.CRITICAL)

# ── the modules of one commit, without its packages' own imports ──


def source(commit, folder):
    archive = subprocess.run(
        ["git", "-C", REPOSITORY, "archive", commit, "src/llamafactory"], check=True, stdout=subprocess.PIPE
    ).stdout
    tarfile.open(fileobj=io.BytesIO(archive)).extractall(folder, filter="data")
    return os.path.join(folder, "src", "llamafactory")


class Plugin:
    expect_mm_model = False

    def __init__(self, name, *_, **__):
        self.name = name

    def process_messages(self, messages, *_, **__):
        return messages

    def process_token_ids(self, ids, labels, *_, **__):
        return ids, labels


def load(folder):
    for name in [name for name in sys.modules if name.split(".")[0] == "llamafactory"]:
        del sys.modules[name]
    for name in ["", ".data", ".data.processor", ".extras", ".eval"]:
        package = types.ModuleType("llamafactory" + name)
        package.__path__ = [folder + name.replace(".", "/")]
        sys.modules[package.__name__] = package
    plugins = types.ModuleType("llamafactory.data.mm_plugin")
    plugins.get_mm_plugin = lambda name, *_, **__: Plugin(name)
    sys.modules[plugins.__name__] = plugins

    def module(name):
        return importlib.import_module("llamafactory." + name)

    sys.modules["llamafactory.data"].Role = module("data.data_utils").Role
    return module


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 1, 2)


work = tempfile.mkdtemp()
old = load(source(LEGACY, os.path.join(work, "legacy")))("data.template").TEMPLATES
module = load(source(HEAD, os.path.join(work, "head")))
template_module = module("data.template")
formatter = module("data.formatter")
tools_module = module("data.tool_utils")
tools_module.datetime = Clock
supervised = module("data.processor.supervised")
TEMPLATES = template_module.TEMPLATES


def again(kind, was):
    return getattr(formatter, type(was).__name__)(slots=was.slots, **({"tool_format": was.tool_format} if kind else {}))


for name in LEGACY_NAMES:
    was = old[name]
    assert type(was).__name__ == "Template" and name not in TEMPLATES
    template_module.register_template(
        name=name,
        format_tools=formatter.ToolFormatter(tool_format=was.format_tools.tool_format),
        format_function=formatter.FunctionFormatter(
            slots=was.format_function.slots, tool_format=was.format_function.tool_format
        ),
        format_prefix=formatter.EmptyFormatter(slots=was.format_prefix.slots),
        **{
            key: formatter.StringFormatter(slots=getattr(was, key).slots)
            for key in ["format_user", "format_assistant", "format_system", "format_observation"]
        },
        **{
            key: getattr(was, key)
            for key in ["default_system", "stop_words", "thought_words", "efficient_eos", "replace_eos"]
            + ["replace_jinja_template"]
        },
    )

SLOTS = ["prefix", "system", "user", "assistant", "observation", "function"]


# ── one token a byte, and special tokens ──


class Tokenizer:
    def __init__(self, template):
        slots = [slot for key in SLOTS for slot in getattr(template, "format_" + key).slots]
        self.words = ["<|bos|>", "<|eos|>", "<|pad|>"]
        for slot in slots:
            if isinstance(slot, dict):
                self.add(slot["token"])
        self.bos_token, self.eos_token, self.pad_token = self.words[:3]
        self.chat_template = None

    def add(self, word):
        if word in self.words:
            return 0
        self.words.append(word)
        return 1

    def add_special_tokens(self, tokens, replace_additional_special_tokens=True):
        if "eos_token" in tokens:
            self.eos_token = tokens["eos_token"]
            return self.add(self.eos_token)
        return sum(self.add(word) for word in tokens["additional_special_tokens"])

    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        return list(text.encode())

    def decode(self, ids):
        return b"".join(bytes([i]) if i < 256 else self.words[i - 256].encode() for i in ids).decode()

    def convert_tokens_to_ids(self, token):
        return 256 + self.words.index(token)

    def convert_ids_to_tokens(self, index):
        return self.words[index - 256]

    bos_token_id = property(lambda self: self.convert_tokens_to_ids(self.bos_token))
    eos_token_id = property(lambda self: self.convert_tokens_to_ids(self.eos_token))
    pad_token_id = property(lambda self: self.convert_tokens_to_ids(self.pad_token))

    def facts(self):
        return {"bos": self.bos_token, "eos": self.eos_token, "pad": self.pad_token}


class Options(types.SimpleNamespace):
    def __init__(self, name, **given):
        super().__init__(
            **{
                "template": name,
                "train_on_prompt": False,
                "tool_format": None,
                "default_system": None,
                "enable_thinking": True,
                "preserve_thinking": False,
                "mask_history": False,
                "cutoff_len": 1 << 30,
                **given,
            }
        )


def opened(name, options):
    """A fresh copy: LLaMA-Factory changes the registered template itself."""
    whole = TEMPLATES[name]
    copy = type(whole)(**vars(whole))
    tokenizer = Tokenizer(copy)
    TEMPLATES[name] = copy
    try:
        template = template_module.get_template_and_fix_tokenizer(tokenizer, Options(name, **options))
    finally:
        TEMPLATES[name] = whole
    return template, tokenizer


# ── kind encode ──


class ShiftedLabels(Exception):
    """An empty prompt in an `efficient_eos` template has a label too many: nothing can be equal to that."""


def element(slot):
    if isinstance(slot, set):
        return {"bos": True} if "bos_token" in slot else {"eos": True}
    return slot


def spans(ids, labels, tokenizer):
    out = []
    for index, label in zip(ids, labels):
        train = label == index
        first = None if train or label == -100 else label
        if out and out[-1][1] == train and first is None:
            out[-1][0].append(index)
        else:
            out.append(([index], train, first))
    return [
        {"text": tokenizer.decode(some), "train": train}
        | ({} if first is None else {"first_label": tokenizer.decode([first])})
        for some, train, first in out
    ]


def encode(name, case, options, system, tools, messages):
    vector = {"id": f"encode:{name}:{case}", "kind": "encode", "template": name, "legacy": name in LEGACY_NAMES}
    vector |= {"case": case, "options": options}
    vector |= {"input": {"system": system, "tools": tools, "messages": messages}}
    try:
        template, tokenizer = opened(name, options)
    except ValueError as error:
        return vector | {"error": {"at": "template", "type": type(error).__name__, "message": str(error)}}
    vector["tokenizer"] = tokenizer.facts()
    elements = []
    convert = template._convert_elements_to_ids
    template._convert_elements_to_ids = lambda t, slots: (
        elements.append([element(slot) for slot in slots if slot != ""]),
        convert(t, slots),
    )[1]
    data = Options(name, **options)
    try:
        discards = data.mask_history and not data.preserve_thinking
        pairs = template.encode_multiturn(tokenizer, messages, system, tools, discards)
        recorded = list(elements)
        prompt, response = template.encode_oneturn(tokenizer, messages, system, tools)
        processor = supervised.SupervisedDatasetProcessor(template, tokenizer, None, data)
        ids, labels = processor._encode_data_example(messages[:-1], messages[-1:], system, tools, [], [], [])
    except Exception as error:
        return vector | {"error": {"at": "encode", "type": type(error).__name__, "message": str(error)}}
    if len(ids) != len(labels):
        raise ShiftedLabels(vector["id"])
    text = tokenizer.decode
    return vector | {
        "elements": recorded,
        "pairs": [{"source": text(source), "target": text(target)} for source, target in pairs],
        "oneturn": {"prompt": text(prompt), "response": text(response)},
        "sft": spans(ids, labels, tokenizer),
    }


# ── kind export ──

PLUGINS = {
    "base": "BasePlugin", "ernie_vl": "ErnieVLPlugin", "gemma3": "Gemma3Plugin", "gemma3n": "Gemma3nPlugin",
    "gemma4": "Gemma4Plugin", "glm4v": "GLM4VPlugin", "intern_vl": "InternVLPlugin", "kimi_vl": "KimiVLPlugin",
    "llama4": "Llama4Plugin", "llava": "LlavaPlugin", "llava_next": "LlavaNextPlugin",
    "llava_next_video": "LlavaNextVideoPlugin", "lfm2_vl": "LFMVLPlugin", "minicpm_v": "MiniCPMVPlugin",
    "minicpm_v_4_6": "MiniCPMV4_6Plugin", "mllama": "MllamaPlugin", "moss_vl": "MossVLPlugin",
    "paligemma": "PaliGemmaPlugin", "pixtral": "PixtralPlugin", "qwen2_audio": "Qwen2AudioPlugin",
    "qwen2_omni": "Qwen2OmniPlugin", "qwen2_vl": "Qwen2VLPlugin", "qwen3_vl": "Qwen3VLPlugin",
    "video_llava": "VideoLlavaPlugin", "youtu_vl": "YoutuVLPlugin",
}  # fmt: skip


def export(name):
    template, tokenizer = opened(name, {})
    flags = ["stop_words", "efficient_eos", "replace_eos", "replace_jinja_template", "default_system"]
    vector = {"id": f"export:{name}", "kind": "export", "template": name, "legacy": name in LEGACY_NAMES}
    vector |= {"tokenizer": tokenizer.facts()} | {key: getattr(template, key) for key in flags}
    vector |= {
        "stop_tokens": sorted(tokenizer.convert_ids_to_tokens(i) for i in template.get_stop_token_ids(tokenizer)),
        "thought_words": list(template.thought_words),
        "tool_call_words": list(template.tool_call_words),
        "tool_format": template.format_tools.tool_format,
        "function_tool_format": template.format_function.tool_format,
        "template_class": type(template).__name__,
        "mm_plugin": PLUGINS[template.mm_plugin.name],
        "chat_template": tokenizer.chat_template,
    }
    try:
        lines = template.get_ollama_modelfile(tokenizer).split("\n")
    except ValueError as error:
        return vector | {"ollama_error": str(error)}
    stops = [line for line in lines if line.startswith("PARAMETER stop ")]
    rest = "\n".join(line for line in lines if not line.startswith("PARAMETER stop "))
    return vector | {"ollama_modelfile": rest, "ollama_stops": sorted(stops)}
