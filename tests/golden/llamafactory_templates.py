"""Vectors of LLaMA-Factory's templates, tool formats, converters and label code, in the form of tests/vectors.

Usage: llamafactory_templates.py REPOSITORY OUT.jsonl[.gz] [--every] [--drawn N] [--seed S] [--replay FILE.jsonl]

REPOSITORY is a git clone of https://github.com/hiyouga/LLaMA-Factory that holds the two commits named in
llamafactory_source.py; no work tree is needed. Needs transformers and datasets (5.6.0, 4.0.0), which its `extras` import.

Without --every, the file holds what the tests keep: for each template that is not in the file drawn for them a few
conversations drawn by a seed, and all of every other kind. --drawn adds so many conversations put together at random from
what breaks templates. --replay makes the vectors of FILE anew, to show that this script gives what they say.
"""

import argparse
import gzip
import json
import os
import random
import sys
import types

from llamafactory_source import (
    TEMPLATES,
    Options,
    Plugin,
    ShiftedLabels,
    encode,
    export,
    module,
    supervised,
    tools_module,
)

arguments = argparse.ArgumentParser()
arguments.add_argument("repository")
arguments.add_argument("out")
arguments.add_argument("--every", action="store_true")
arguments.add_argument("--drawn", type=int, default=0)
arguments.add_argument("--seed", type=int, default=1)
arguments.add_argument("--replay")
args = arguments.parse_args()

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


# ── conversations put together at random ──

PARTS = ["", "a", "\n", "\n\n", " ", "北京🎉", "\t'\"", "$&", "\\1", "\u00a0", "\x1c", "{", "}", "[]", "not json", CALL]
PARTS += ["{{idx}}", "{{content}}", f"[{TEXT_CALL}]", '{"name": "f", "arguments": {"10": 1E400, "9": -0.0}}']
PARTS += [word for template in TEMPLATES.values() for word in [*template.thought_words, *template.tool_call_words]]
PARTS = sorted({*PARTS, *(part.strip() for part in PARTS)})
TOLD = [None, None, None, "", "[]", "{}", "[", json.dumps([BARE]), TOOLS, json.dumps([WEATHER], indent=2)]


def words():
    return "".join(random.choices(PARTS, k=random.choice([0, 1, 1, 2, 3, 5])))


def reply(template):
    opened, closed = template.thought_words
    thoughts = "".join(opened + words() + closed + words() for _ in range(random.choice([0, 0, 1, 2])))
    return thoughts + words()


def call(template):
    one = random.choice([CALL, f"[{CALL}, {TEXT_CALL}]", f" {TEXT_CALL}\n"])
    return random.choice([one, one, words() + one.join(template.tool_call_words) + words(), reply(template) + one])


def drawn(count):
    random.seed(args.seed)
    made = 0
    while made < count:
        name = random.choice(sorted(TEMPLATES))
        template = TEMPLATES[name]
        messages = []
        for _ in range(random.randint(1, 4)):
            asks = random.choice(["user", "user", "user", "observation"])
            says = random.choice(["assistant", "assistant", "function"])
            messages += talk(words(), (call if says == "function" else reply)(template), roles=[asks, says])
        options = {
            "enable_thinking": random.choice([True, False, None]),
            "preserve_thinking": random.random() < 0.3,
            random.choice(["mask_history", "train_on_prompt"]): random.random() < 0.4,
            "tool_format": random.choice([None, None, None, *tools_module.TOOLS]),
            "default_system": random.choice([None, None, None, "", "{{content}}"]),
        }
        system = random.choice([None, "", "S", words()])
        case = f"drawn_{args.seed}_{made}"
        try:
            yield encode(name, case, options, system, random.choice(TOLD), messages)
        except ShiftedLabels:
            continue
        made += 1


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


if args.replay:
    vectors = replayed(args.replay)
else:
    vectors = [*(every() if args.every else kept()), *others(), *drawn(args.drawn)]
lines = [json.dumps(vector, ensure_ascii=False) for vector in vectors]
data = ("\n".join(lines) + "\n").encode()
if args.out.endswith(".gz"):
    data = gzip.compress(data, 9, mtime=0)
with open(args.out, "wb") as file:
    file.write(data)
print(f"{len(lines)} vectors, {len(TEMPLATES)} templates")
