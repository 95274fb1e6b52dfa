"""Vectors of LLaMA-Factory's templates, tool formats, converters and label code, in the form of tests/vectors.

Usage: llamafactory_templates.py REPOSITORY OUT.jsonl[.gz] [--every] [--replay FILE.jsonl]

REPOSITORY is a git clone of https://github.com/hiyouga/LLaMA-Factory that holds the two commits below; no work tree is
needed. Only the modules asked for are loaded, with a stand-in for its multimodal plugins, so that torch is not. Needs
transformers and datasets (5.6.0, 4.0.0), which its `extras` import.

Without --every, the file holds what the tests keep: for each template that is not in the file drawn for them a few
conversations drawn by a seed, and all of every other kind. --replay makes the vectors of FILE anew, to show that this
script gives what they say.
"""

import argparse
import datetime
import gzip
import importlib
import io
import json
import logging
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import types

HEAD = "ff6d4d12"  # August 2026
LEGACY = "5cccaeec8^"  # before 19 templates went, January 2026
LEGACY_NAMES = """aquila atom baichuan baichuan2 belle bluelm chatglm2 codegeex2 codegeex4 cpm cpm3 intern marco orion
skywork_o1 telechat xverse yayi ziya""".split()

arguments = argparse.ArgumentParser()
arguments.add_argument("repository")
arguments.add_argument("out")
arguments.add_argument("--every", action="store_true")
arguments.add_argument("--replay")
args = arguments.parse_args()
logging.disable(logging.CRITICAL)

# ── the modules of one commit, without its packages' own imports ──


def source(commit, folder):
    archive = subprocess.run(
        ["git", "-C", args.repository, "archive", commit, "src/llamafactory"], check=True, stdout=subprocess.PIPE
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
    for name in [name for name in sys.modules if name.startswith("llamafactory")]:
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


# ── conversations ──


def talk(*contents, roles=None):
    roles = roles or ["user", "assistant"] * len(contents)
    return [{"role": role, "content": content} for role, content in zip(roles, contents)]


WEATHER = {
    "name": "get_weather",
    "description": "Look up the weather, \"now\" & <then>",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City, e.g. 北京"},
            "unit": {"type": ["string", "null"], "enum": ["C", "F"]},
            "days": {"type": "array", "items": {"type": "integer"}, "description": "it's\nmany"},
            "deep": {"type": "object", "properties": {"a": {"type": "number", "default": 1.0, "minimum": -0.0}}},
        },
        "required": ["city", "days"],
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "",
        "parameters": {"type": "object", "properties": {"q": {"description": None, "items": {}, "enum": []}}},
        "response": {"type": "object", "description": "what was found"},
    },
}
BARE = {"name": "now", "parameters": {"type": "object", "properties": {}}}
TOOLS = json.dumps([WEATHER, SEARCH], ensure_ascii=False)
CALL = '{"name": "get_weather", "arguments": {"city": "北京", "days": [0, 1.0, 1e5, 9223372036854775808], "deep": {"b": null, "a": true}}}'
TEXT_CALL = '{"name": "search", "arguments": {"q": "say \\"hi\\"\\nand \\u00e9 \\ud83d\\ude00"}}'
USED = ["user", "function", "observation", "assistant"]
THOUGHT = "<think>\nwell…\n</think>\n\n"


def cases(name):
    template = TEMPLATES[name]
    words = "because".join(template.thought_words)
    call_words = TEXT_CALL.join(template.tool_call_words)
    three = talk("q1 \n", words + "a1", "q2", "  a2\n", "q3", "\n" + words + "\n\na3")
    yield "one_turn", {}, None, None, talk("Hello, who are you?", "I am Tunery.")
    yield "two_turns", {}, "Be brief; it's\nfine.", None, talk("1+1=?", "2", "再加一呢？", " 3 \n")
    yield "empty", {}, "", "", talk("", "")
    yield "placeholders", {}, "{{idx}} {{content}}", None, talk("{{idx}}{{content}}{{system}}", "{{content}}{{idx}}", "$& $1 {{idx}}", "\\1")
    yield "many_turns", {}, None, None, talk(*[str(i) for i in range(24)])
    yield "tools", {}, "Use tools.", TOOLS, talk("Weather?", CALL, '{"t": 20}', "20 degrees.", roles=USED)
    yield "tools_alone", {}, None, TOOLS, talk("Weather?", CALL, "cold", "Cold.", "Then?", "Warm.", roles=[*USED, "user", "assistant"])
    yield "no_tools", {}, "S", "[]", talk("q", "a")
    yield "bare_tool", {}, None, json.dumps([BARE]), talk("q", "a")
    yield "two_calls", {}, "S", TOOLS, talk("q", f"[{CALL}, {TEXT_CALL}]", "r", "a", roles=USED)
    yield "call_in_words", {}, None, None, talk("q", f"first {call_words} then {call_words}", "r", "a", roles=USED)
    yield "call_after_thought", {}, None, None, talk("q", words + TEXT_CALL, "r", "a", roles=USED)
    yield "call_last", {}, None, TOOLS, talk("q", CALL, roles=["user", "function"])
    yield "observation_first", {}, "S", None, talk("r", "a", "q", "b", roles=["observation", "assistant", "user", "assistant"])
    yield "bad_call", {}, None, None, talk("q", "not json", "r", "a", roles=USED)
    yield "bad_tools", {}, None, "{not json", talk("q", "a")
    yield "mask_history", {"mask_history": True}, "S", None, talk("q1", "a1", "q2", "a2", "q3", "a3")
    yield "train_on_prompt", {"train_on_prompt": True}, "S", None, talk("q1", "a1", "q2", "a2")
    yield "other_system", {"default_system": "Override!"}, None, None, talk("q1", "a1")
    yield "no_system", {"default_system": ""}, None, None, talk("q1", "a1")
    for tool_format in tools_module.TOOLS if name in ["qwen", "glm4", "llama2", "deepseekr1", "phi4_mini"] else ["qwen"]:
        case = f"tool_format={tool_format}"
        yield case, {"tool_format": tool_format}, "S", TOOLS, talk("q", CALL, "r", "a", roles=USED)
    if "Reasoning" not in type(template).__name__:
        yield "thoughts", {"enable_thinking": False}, "S", None, talk("q1", THOUGHT + "a1", "q2", "a2")
        return
    for thinking in [True, False, None]:
        for keeps in [True, False]:
            for masks in [True, False]:
                options = {"enable_thinking": thinking, "preserve_thinking": keeps, "mask_history": masks}
                case = f"en={thinking}_keep={keeps}_mask={masks}"
                yield "three_" + case, options, "S", None, three
                yield "none_" + case, options, None, None, talk("q1", "a1", "q2", "a2")
                yield "half_" + case, options, None, None, talk("q1", "<think>x</think>a1", "q2", template.thought_words[1] + "a2")
                yield "calls_" + case, options, "S", TOOLS, talk("q", words + CALL, "r", words + words + "a", roles=USED)


# ── the other kinds ──


def tool_rows():
    calls = [
        [["get_weather", '{"city": "北京", "days": [0, 1.0, 1e5, -0.0], "deep": {"b": null, "a": true}, "big": 9223372036854775808}']],
        [["a", '{"x": "say \\"hi\\"\\n", "y": ""}'], ["b", "{}"]],
        [["b", '{"z": 1, "Z": [{"k": false}], "é": "it\'s", "10": 1, "2": 2}']],
    ]
    texts = ["", "plain", "[]", "{}", "null", "5", '"x"', "f\n", 'f\n{"a": 1.0}\n', 'f\n[1, 2]', "f\nnot json"]
    texts += ['Action: a\nAction Input: {"x": 1}', 'Action: a \n Action Input: "{}"', "Action: a\nAction Input: ```{}```"]
    texts += ['Action: a\nAction Input: {"x": 1}\nAction: b\nAction Input: {"y": [2.50]}', "Action: a\nAction Input: no"]
    texts += ['<tool_call>{"name": "f", "arguments": {"a": 1e3}}</tool_call>', "<tool_call>broken</tool_call>"]
    texts += ['<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n<tool_call>{"name": "g", "arguments": "x"}</tool_call> ']
    texts += ['<tool_call>{"name": "f", "arguments": {}}</tool_call> and words', '<tool_call>{"name": "f"}</tool_call>']
    texts += ['{"name": "f", "parameters": {"a": 1}}', '[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]']
    texts += ['[{"name": "f", "parameters": {"a": 1}}, {"name": "g", "arguments": {}}]', '{"name": "f", "arguments": null}']
    texts += ['<tool_calls>\n{"name": "f", "arguments": {"a": 1}}\nnot json\n\n{"name": "g", "arguments": {}}\n</tool_calls>']
    texts += ["<tool_calls>none</tool_calls>", "x <tool_calls>\n</tool_calls>"]
    texts += ['<minimax:tool_call>\n<invoke name="f">\n<parameter name="a"> 1 </parameter>\n<parameter name="b"> x\n</parameter>\n</invoke>\n<invoke name=" g "></invoke>\n</minimax:tool_call>']
    texts += ["<minimax:tool_call>nothing</minimax:tool_call>"]
    texts += ["<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n two\nlines \n</parameter>\n</function>\n</tool_call>"]
    texts += ["<tool_call><function= f ></function></tool_call><tool_call><function=g<parameter=x>{}</parameter></function></tool_call>"]
    texts += ["<seed:tool_call>\n<function=f>\n<parameter=a> [1] </parameter><parameter=b> x </parameter>\n</function>\n</seed:tool_call>"]
    texts += ["<seed:tool_call>\n<function=f\n<parameter=a>1</parameter>\n</function>\n</seed:tool_call>"]
    texts += ["<|tool_call>call:f{a:1,b:<|\"|>x, y: z<|\"|>}<tool_call|><|tool_call>call:g{}<tool_call|>"]
    texts += ["<|tool_call>call:f{a:{b:[true,null]},c : <|\"|>q\"q<|\"|>}<tool_call|>", "<|tool_call>call:f{nonsense}<tool_call|>"]
    texts += ['<|tool_call>call:f{"quoted"}<tool_call|>', "<|tool_call>call:f{[1, 2]}<tool_call|>"]
    for inside in [
        'f(a=1, b="x", c=[1, 2.0], d={"k": None, 3: True})', "[f(x=true), g(y=null, z=false)]", "[f(x=[true])]", "f(x=y)",
        "[f(1, x=2)]", "[f(x=1, 2)]", "[]", "f()", "[f(),]", "f(x=-1.5e3, y=+2, z=(1, 2), w=(1,), v=(1), u=())", "a.b(x=1)",
        "f(x='it\\'s', y=\"\"\"two\nlines\"\"\", z='a' 'b', w=r'\\n', v='\\x41\\u00e9\\101\\q')", "not python (", "f(x=0x1F, y=0b11, z=0o17, w=1_000)",
        "f(x=01)", "f(x=1).y", "5", "[f(x=1), 5]", "f( x = 1 , # note\n y = 2 )", "f(x=1.)", "f(x=.5, y=1e-7, z=1e22)", "f(é=1)", "f(x=b'y')", "f(x=f'y')", "f(x=1)\ng(y=2)", "f(x=1, x=2)",
    ]:  # fmt: skip
        texts.append(f"words <|tool_call_start|>{inside}<|tool_call_end|> words")
    texts += ["<|tool_call_start|>f(x=1)", "<|tool_call_end|><|tool_call_start|>"]
    told = [[WEATHER, SEARCH], [WEATHER], [BARE], []]
    for kind, utils in tools_module.TOOLS.items():
        for call in calls:
            # As its formatter gives them: parsed and printed once before.
            call = [[name, json.dumps(json.loads(given), ensure_ascii=False)] for name, given in call]
            row = {"tool_format": kind, "calls": call}
            try:
                text = utils.function_formatter([tools_module.FunctionCall(*each) for each in call])
                yield row | {"text": text, "extracted": utils.tool_extractor(text)}
            except ValueError as error:
                yield row | {"error": str(error)}
        for text in texts:
            try:
                yield {"tool_format": kind, "text": text, "extracted": utils.tool_extractor(text)}
            except (AttributeError, KeyError, TypeError):
                pass  # where it fails on a reply, there is nothing to be equal to
        for tools in told:
            try:
                yield {"tool_format": kind, "tools": json.dumps(tools, ensure_ascii=False), "tool_text": utils.tool_formatter(tools)}
            except KeyError:
                pass


def convert_rows():
    converter = module("data.converter")
    attributes = module("data.parser").DatasetAttr
    data = types.SimpleNamespace(media_dir="nowhere")
    openai = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    openai |= {"observation_tag": "tool", "function_tag": "function", "system_tag": "system"}
    columns = {"messages": "messages", "tools": "tools", "system": "system"}
    share = {"formatting": "sharegpt"}
    oai = {"formatting": "openai", "columns": columns, "tags": openai}
    ranked = {"ranking": True, "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}}

    def said(*turns, role="from", content="value"):
        return [{role: who, content: what} for who, what in turns]

    def chat(*turns):
        return said(*turns, role="role", content="content")

    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    used = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "c", "tool_calls": [call, call]}]
    history = {"columns": {"prompt": "p", "response": "r", "history": "h", "system": "s", "tools": "t"}}
    kto = {"columns": {"messages": "conversations", "kto_tag": "label"}}
    pair = said(("human", "q"), ("gpt", "a"))
    rows = [
        ({}, {"instruction": "i", "input": "", "output": "o"}),
        ({}, {"instruction": None, "input": None, "output": ""}),
        ({}, {"instruction": "i", "output": "o"}),
        (history, {"p": "q", "r": "a", "h": [["a", "b"]], "s": None, "t": '[{"name": "f"}]'}),
        (history, {"p": "", "r": "a", "h": None, "s": "", "t": None}),
        ({"columns": {"prompt": "text"}}, {"text": "only a text"}),
        ({"columns": {"prompt": "p", "response": "r", "kto_tag": "k"}}, {"p": "q", "r": "a", "k": True}),
        ({"columns": {"prompt": "p", "response": "r", "kto_tag": "k"}}, {"p": "q", "r": "", "k": False}),
        ({"columns": {"prompt": "p", "response": "r", "kto_tag": "k"}}, {"p": "q", "r": "a", "k": None}),
        ({"ranking": True, "columns": {"prompt": "p", "chosen": "c", "rejected": "r"}}, {"p": "q", "c": "", "r": "b"}),
        ({"columns": {"prompt": "p", "response": "r", "images": "i", "videos": "v", "audios": "a"}}, {"p": "<image>", "r": "a", "i": ["x.png", "y.png"], "v": "z.mp4", "a": None}),
        (share, {"conversations": said(("system", "S"), ("human", "q"), ("gpt", "a"))}),
        (share, {"conversations": said(("human", "q"), ("system", "S"))}),
        (share, {"conversations": said(("gpt", "a"), ("human", "q"))}),
        (share, {"conversations": said(("observation", "r"), ("gpt", "a"))}),
        (share, {"conversations": said(("human", "q"), ("function_call", "c"))}),
        (share, {"conversations": said(("user", "q"), ("assistant", "a"))}),
        (share | {"tags": {"role_tag": "r", "content_tag": "c", "user_tag": "u", "assistant_tag": "a"}}, {"conversations": said(("u", "q"), ("a", "b"), role="r", content="c")}),
        (share | {"tags": {"role_tag": "r", "content_tag": "c", "user_tag": "u", "assistant_tag": "a"}}, {"conversations": said(("system", "S"), ("u", "q"), ("a", "b"), role="r", content="c")}),
        (share | {"tags": {"role_tag": "r", "content_tag": "c", "user_tag": "u", "assistant_tag": "a"}}, {"conversations": said(("observation", "o"), ("a", "b"), role="r", content="c")}),
        (share | {"columns": {"messages": "conversations", "tools": "t", "system": "s"}}, {"conversations": pair, "t": '[{"name": "f"}]', "s": "col"}),
        (share | ranked, {"conversations": said(("human", "q")), "chosen": said(("function_call", "c"))[0], "rejected": said(("gpt", "r"))[0]}),
        (share | ranked, {"conversations": pair, "chosen": said(("gpt", "c"))[0], "rejected": said(("gpt", "r"))[0]}),
        (share | ranked, {"conversations": said(("human", "q")), "chosen": None, "rejected": None}),
        (share | kto, {"conversations": pair, "label": False}),
        (share | kto, {"conversations": pair, "label": None}),
        (share | {"columns": {"messages": "conversations", "images": "i"}}, {"conversations": pair, "i": "x.png"}),
        (oai, {"messages": []}),
        (oai, {"messages": chat(("system", ""), ("user", "q"), ("assistant", "a")), "tools": ""}),
        (oai, {"messages": chat(("system", "S"), ("user", "q"), ("assistant", "a"))}),
        (oai, {"messages": chat(("system", "detailed thinking off, please"), ("user", "q"), ("assistant", "a"))}),
        (oai, {"messages": chat(("user", "q"), ("assistant", "a")), "system": "col"}),
        (oai, {"messages": used + chat(("tool", "r1"), ("tool", "r2"), ("assistant", "d"))}),
        (oai, {"messages": used + chat(("tool", "r1"), ("tool", "r2"))}),
        (oai, {"messages": used + chat(("tool", "r"), ("assistant", "d"), ("tool", "r"))}),
        (oai, {"messages": used}),
        (oai, {"messages": chat(("tool", "r"), ("assistant", "a"))}),
        (oai, {"messages": chat(("tool", "r"), ("user", "q"), ("assistant", "a"))}),
        (oai, {"messages": chat(("user", "q"), ("function", '{"name": "f", "arguments": {}}'), ("tool", "r"), ("assistant", "a"))}),
        (oai, {"messages": chat(("user", "q"), ("assistant", "a"), ("user", "q2"))}),
        (oai, {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "tool_calls": []}]}),
        (oai, {"messages": chat(("user", "q"), ("assistant", "a")), "tools": [call["function"]]}),
        (oai | {"ranking": True, "columns": columns | {"chosen": "c", "rejected": "r"}}, {"messages": chat(("user", "q")), "c": chat(("assistant", "y"))[0], "r": chat(("assistant", "n"))[0]}),
        (oai | {"columns": columns | {"kto_tag": "k"}}, {"messages": chat(("user", "q"), ("assistant", "a")), "k": True}),
    ]  # fmt: skip
    for info, example in rows:
        attribute = attributes("file", "rows.json")
        attribute.join(info)
        warnings = []
        converter.logger = types.SimpleNamespace(
            warning_rank0=warnings.append, warning_rank0_once=lambda *_: None, info_rank0=lambda *_: None
        )
        row = {"info": info, "example": example}
        try:
            output = converter.get_dataset_converter(attribute.formatting, attribute, data)(json.loads(json.dumps(example)))
        except Exception as error:
            yield row | {"error": {"type": type(error).__name__, "message": str(error)}}
            continue
        row["output"] = output
        if warnings:
            row["warnings"] = [warning.split(" in [")[0] for warning in warnings]
        yield row


def length_rows():
    infer = module("data.processor.processor_utils").infer_seqlen
    for _ in range(400):
        source, target, cutoff = random.randint(0, 300), random.randint(1, 300), random.randint(1, 400)
        yield [source, target, cutoff, *infer(source, target, cutoff)]


def cut_rows():
    """Token 100000·k + i is the i-th of chunk k: 1 is the prompt of turn 0, 2 its reply, 3 the prompt of turn 1 …"""
    stop = 99_999
    for _ in range(200):
        turns = [[random.choice([1, 3, 12, 60, 200]), random.choice([1, 3, 12, 60, 150])] for _ in range(random.randint(1, 4))]
        efficient, masks, prompts = random.random() < 0.4, random.random() < 0.5, random.random() < 0.3
        prompts = prompts and not efficient and not masks
        row = {"turns": turns, "cutoff_len": random.choice([1, 2, 7, 16, 64, 128, 256, 1000]), "efficient_eos": efficient}
        row |= {"mask_history": masks, "train_on_prompt": prompts}
        chunk = lambda k, n: [100_000 * k + i for i in range(n)]  # noqa: E731
        pairs = [(chunk(2 * i + 1, s), chunk(2 * i + 2, t)) for i, (s, t) in enumerate(turns)]
        template = types.SimpleNamespace(
            efficient_eos=efficient, preserve_thinking=False, mm_plugin=Plugin("base"), encode_multiturn=lambda *_: pairs
        )
        data = Options("", cutoff_len=row["cutoff_len"], mask_history=masks, train_on_prompt=prompts)
        tokenizer = types.SimpleNamespace(eos_token_id=stop)
        processor = supervised.SupervisedDatasetProcessor(template, tokenizer, None, data)
        ids, labels = processor._encode_data_example([], [], None, None, [], [], [])
        written = ids[:-1] if efficient else ids
        kept = [[sum(i // 100_000 == 2 * t + k for i in written) for k in (1, 2)] for t in range(len(turns))]
        runs = []
        for index, label in zip(ids, labels):
            kind = "ignore" if label == -100 else "self" if label == index else "eos"
            if runs and runs[-1][0] == kind:
                runs[-1][1] += 1
            else:
                runs.append([kind, 1])
        order = list(dict.fromkeys(i // 100_000 for i in written))
        yield row | {"kept": kept, "order": order, "total": len(ids), "labels": runs}


def pack_rows():
    knapsack = module("data.processor.processor_utils").greedy_knapsack
    for _ in range(30):
        capacity = random.choice([16, 64, 128])
        lengths = [random.randint(1, capacity) for _ in range(random.randint(0, 40))]
        yield {"lengths": lengths, "capacity": capacity, "bins": knapsack(list(lengths), capacity)}


def question_rows():
    template = module("eval.template").get_eval_template
    for lang in ["en", "zh"]:
        for shots in [0, 1, 3]:
            asked = [
                {"question": f"Q{i}? {{x}}", **{letter: f"{letter.lower()}{i}" for letter in "ABCD"[: 4 - i % 2]}, "answer": "ABCD"[i % 3]}
                for i in range(shots + 1)
            ]
            messages = template(lang).format_example(asked[0], asked[1:], "a subject")
            yield {"lang": lang, "subject": "a subject", "shots": asked[1:], "target": asked[0], "messages": messages}


# ── what is written ──


def others():
    random.seed(7)
    kinds = {"infer_seqlen": length_rows, "truncate_multiturn": cut_rows, "knapsack": pack_rows, "tool_utils": tool_rows}
    kinds |= {"convert": convert_rows, "eval_prompt": question_rows}
    return [{"id": f"own:{kind}", "kind": kind, "rows": list(make())} for kind, make in kinds.items()]


def every():
    for name in sorted(TEMPLATES):
        yield export(name)
        for case in cases(name):
            yield encode(name, *case)


def kept():
    here = os.path.dirname(os.path.abspath(__file__))
    with gzip.open(os.path.join(here, "..", "fixtures", "llamafactory-templates.jsonl.gz"), "rt") as file:
        drawn = {json.loads(line).get("template") for line in file}
    draw = random.Random(11)
    for name in sorted(TEMPLATES):
        vectors = [encode(name, *case) for case in cases(name)]
        if name not in drawn:
            yield export(name)
        yield from draw.sample(vectors, 3 if name not in drawn else 1)


def replayed(path):
    with open(path) as file:
        for line in file:
            was = json.loads(line)
            if was["kind"] == "export":
                now = export(was["template"])
            elif was["kind"] == "encode":
                now = encode(was["template"], was["case"], was["options"], *was["input"].values())
            else:
                continue
            if now.get("error", {}).get("at") == "template":
                was.pop("tokenizer", None)
            if was != now:
                different = [key for key in {*was, *now} if was.get(key) != now.get(key)]
                print("differs:", was["id"], different, file=sys.stderr)
            yield now


vectors = replayed(args.replay) if args.replay else [*(every() if args.every else kept()), *others()]
lines = [json.dumps(vector, ensure_ascii=False) for vector in vectors]
data = ("\n".join(lines) + "\n").encode()
if args.out.endswith(".gz"):
    data = gzip.compress(data, 9, mtime=0)
with open(args.out, "wb") as file:
    file.write(data)
print(f"{len(lines)} vectors, {len(TEMPLATES)} templates")
