"""Real chat templates on a grid of conversations: what transformers renders, and where replies lie by prefixes.

Usage: jinja_templates.py OUT_FILE FOLDER...

FOLDERs hold NAME.jinja. tests/fixtures/jinja has those whose license lets us copy them; the others (Llama, Gemma, Command R, ...)
are read from a path outside the repository, and only digests of what they give are kept. Writes a gzipped JSON: the
conversations, and of each template the SHA-256 of its source and for every conversation, with and without
add_generation_prompt, the first 16 hex digits of the text's SHA-256, or the error. `spans` are code points: of each reply, from
the end of render(messages before it, add_generation_prompt) to the end of render(messages up to it), where both begin the whole text; else null.
"""

import argparse
import gzip
import hashlib
import json
import os

import jinja2
import transformers
from transformers.utils import chat_template_utils

arguments = argparse.ArgumentParser()
arguments.add_argument("out")
arguments.add_argument("folders", nargs="+")
args = arguments.parse_args()


class FixedDate:
    """Templates that write today's date get the one that Tunery gives them."""

    @staticmethod
    def now():
        import datetime

        return datetime.datetime(2024, 7, 26)


chat_template_utils.datetime = FixedDate

# What the tokenizers of these models have; templates write them.
TOKENS = {
    "deepseek": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "llama": ("<|begin_of_text|>", "<|eot_id|>"),
    "hermes": ("<|begin_of_text|>", "<|im_end|>"),
    "functionary": ("<|begin_of_text|>", "<|eot_id|>"),
    "firefunction": ("<|begin_of_text|>", "<|eot_id|>"),
    "gemma": ("<bos>", "<eos>"),
    "command": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
    "internlm": ("<s>", "</s>"),
    "mistral": ("<s>", "</s>"),
    "devstral": ("<s>", "</s>"),
    "phi-3": ("<s>", "<|endoftext|>"),
    "qwen": (None, "<|im_end|>"),
    "yi": ("<|startoftext|>", "<|im_end|>"),
    "smollm": ("<|im_start|>", "<|im_end|>"),
    "gpt-oss": ("<|startoftext|>", "<|return|>"),
}


def tokens_of(name):
    lower = name.lower()
    for key, value in TOKENS.items():
        if key in lower:
            return value
    return ("<s>", "</s>")


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'Look up the weather <now> & "then"',
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "City, e.g. 北京"},
                "days": {"type": "integer", "minimum": 1, "default": 9223372036854775808},
                "scale": {"type": "number", "default": 1.0, "maximum": 1e22, "minimum": -0.0},
                "unit": {"type": "string", "enum": ["C", "F"]},
            },
            "required": ["city"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {"name": "search", "description": "Search", "parameters": {"type": "object", "properties": {}}},
}
ODD = {
    "type": "function",
    "function": {
        "name": "odd",
        "description": "Numbers\nand lines",
        "parameters": {
            "type": "object",
            "properties": {
                "list": {"type": "array", "items": {"type": ["number", "null"]}, "default": [0.1, 1e-7, 1e16, 3, None, True]},
                "10": {"type": "object", "properties": {"deep": {"type": "boolean"}}, "description": "a key of digits"},
                "2": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "required": ["list", "2"],
        },
        "return": {"type": "string"},
    },
}


def chat(*turns, system=None, **more):
    messages = [] if system is None else [{"role": "system", "content": system}]
    for i, turn in enumerate(turns):
        messages.append(turn if isinstance(turn, dict) else {"role": ["user", "assistant"][i % 2], "content": turn})
    return {"messages": messages, **more}


def call(*calls, content="", **more):
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [
            {"type": "function", "id": f"call0000{i}", "function": {"name": name, "arguments": given}}
            for i, (name, given) in enumerate(calls)
        ],
        **more,
    }


def result(content, name="get_weather", call_id="call00000"):
    return {"role": "tool", "name": name, "tool_call_id": call_id, "content": content}


def think(content, thoughts):
    return {"role": "assistant", "content": content, "reasoning_content": thoughts}


def user(content):
    return {"role": "user", "content": content}


NASTY = [
    " leading and trailing ", "\n\nnew lines first", "ends in new lines\n\n", "\t\ttabs\tand \r\n returns\r", "",
    "<|im_end|> in the text <|eot_id|></s>", "quotes ' and \" and \\ and {{ braces }} {% for %} {# note #}",
    "日本語と中文 한국어", "e\u0301 combining, \U0001f468\u200d\U0001f469\u200d\U0001f467, \U0001f1f3\U0001f1f4",
    "\u200bzero\u200bwidth\u00a0no-break\u3000", "\ufeffmark\ufeff", "1234567890 3.14 1e-5 0x7f", "def f(x):\n    return x ** 2\n",
    "</think> and <think>", "<think>\nhm\n</think>\n\nso", "$1 $& $$ \\1", "مرحبا بالعالم", "\x85next\x1cline\u2028sep", "0",
]  # fmt: skip

PLAIN = [
    chat("Hello!", "Hi, how can I help?"),
    chat("Hi", "Yo", system="Be brief."),
    chat("Hi", "Yo", system="  spaced system\n"),
    chat("Hi", "Yo", system=""),
    chat("1", "2", "3", "4", "5", "6", "7", "8", system="Count."),
    chat("same", "same", "same", "same"),
    chat("Only a question"),
    chat("One", "Two", "Three"),
    chat("", ""),
    chat(user("twice"), user("asked"), {"role": "assistant", "content": "Once."}),
    chat({"role": "assistant", "content": "I begin."}, user("Fine.")),
    chat(user("x"), {"role": "system", "content": "late"}, {"role": "assistant", "content": "y"}),
    chat(user("x"), {"role": "stranger", "content": "who"}, {"role": "assistant", "content": "y"}),
    chat("a" * 400, "b" * 400, system="c" * 400),
]
PLAIN += [chat(text, f"Reply to it: {text}") for text in NASTY]
PLAIN += [chat("First", text, "And then?", f"{text} again", system=text) for text in NASTY]
THINKING = [
    chat(user("2+2?"), think("4", "Two and two.")),
    chat(user("2+2?"), think("4", "Two and two."), user("And 3+3?"), think("6", "Three and three.\n")),
    chat("2+2?", "<think>\nTwo and two.\n</think>\n\n4", "And 3+3?", "<think>\nThree.\n</think>\n\n6"),
    chat("2+2?", "<think>\n\n</think>\n\n4", "More", "no thought"),
    chat(user("2+2?"), think("4", "")),
    chat(user("2+2?"), think("\n4\n", "\n\nlines\n\n"), system="Think."),
    chat(user("Weather?"), call(("get_weather", {"city": "Oslo"}), reasoning_content="I must look."), result("rain"),
         think("Rain.", "It said rain."), tools=[WEATHER]),
]  # fmt: skip
TOOLS = [
    chat("Hi", "Yo", tools=[WEATHER]),
    chat("Hi", "Yo", tools=[WEATHER, SEARCH, ODD], system="Use tools."),
    chat("Hi", "Yo", tools=[ODD]),
    chat(user("Weather?"), call(("get_weather", {"city": "北京", "days": 2})), result('{"t": 20.0}'),
         {"role": "assistant", "content": "20 degrees."}, tools=[WEATHER], system="Use tools."),
    chat(user("Weather?"), call(("get_weather", {"city": "Oslo", "scale": 1.0, "deep": {"a": None, "b": [True, -0.5, 1e22]}})),
         result("rain"), {"role": "assistant", "content": "Rain."}, user("Thanks"), {"role": "assistant", "content": "Welcome."},
         tools=[WEATHER]),
    chat(user("Both?"), call(("get_weather", {"city": "Oslo"}), ("search", {"q": 'x "y" <z> & é'})),
         result("a\n</tool_response>"), result("b", "search", "call00001"), {"role": "assistant", "content": "Done."},
         tools=[WEATHER, SEARCH]),
    chat(user("Look"), call(("search", {}), content="Let me see."), result("nothing", "search"),
         {"role": "assistant", "content": "Nothing."}, tools=[SEARCH]),
    chat(user("Look"), call(("search", {"q": 9223372036854775808, "big": 123456789012345678901234567890})), tools=[SEARCH]),
    chat(user("Look"), {**call(("search", {})), "content": None}, result("", "search"), tools=[SEARCH]),
    chat(user("Look"), call(("search", {})), result("one", "search"), call(("search", {"more": True})), result("two", "search"),
         {"role": "assistant", "content": "Both."}, tools=[SEARCH]),
    chat(user("Look"), call(("search", '{"q": "text"}')), result("nothing", "search"), tools=[SEARCH]),
]  # fmt: skip
SWITCHES = [
    chat("Hi", "Yo", options={"enable_thinking": True}),
    chat("Hi", "Yo", options={"enable_thinking": False}),
    chat("Hi", "<think>\nhm\n</think>\n\nYo", "So?", "Yes", options={"enable_thinking": False}),
    chat("Hi", "Yo", options={"reasoning_effort": "high"}, system="Be brief."),
]
CONVERSATIONS = PLAIN + THINKING + TOOLS + SWITCHES


# {% generation %} put around what a reply is, where prefixes do not tell: the text must stay the same. Calls of tools are left
# out where a template writes them apart ("calls": False).
TAGS = {
    "qwen3": (False, [("{{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}",
                      "{{- '<|im_start|>' + message.role + '\\n' }}{% generation %}{{- '<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}{% endgeneration %}"),
                     ("{{- '<|im_start|>' + message.role + '\\n' + content }}",
                      "{{- '<|im_start|>' + message.role + '\\n' }}{% generation %}{{- content }}{% endgeneration %}"),
                     ("            {%- endfor %}\n        {%- endif %}\n        {{- '<|im_end|>\\n' }}",
                      "            {%- endfor %}\n        {%- endif %}\n        {% generation %}{{- '<|im_end|>' }}{% endgeneration %}{{- '\\n' }}")]),
    "qwq": (False, [("{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}",
                     "{{- '<|im_start|>' + message.role + '\\n' }}{% generation %}{{- content + '<|im_end|>' }}{% endgeneration %}{{- '\\n' }}")]),
    "deepseek-r1-distill": (False, [("{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}",
                     "{{'<｜Assistant｜>'}}{%- generation -%}{{ content + '<｜end▁of▁sentence｜>'}}{%- endgeneration -%}")]),
    "mistral-nemo": (True, [('{{- "[TOOL_CALLS][" }}', '{%- generation %}{{- "[TOOL_CALLS][" }}'),
                     ('        {%- endfor %}\n    {%- elif message["role"] == "assistant" %}\n        {{- message["content"] + eos_token}}',
                      '        {%- endfor %}{%- endgeneration %}\n    {%- elif message["role"] == "assistant" %}\n        {%- generation %}{{- message["content"] + eos_token}}{%- endgeneration %}')]),
    "gpt-oss": (False, [(f'{{{{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "{stop}" }}}}',
                     f'{{{{- "<|start|>assistant" }}}}{{%- generation %}}{{{{- "<|channel|>final<|message|>" + message.content + "{stop}" }}}}{{%- endgeneration %}}')
                     for stop in ("<|return|>", "<|end|>")]),
    "phi-3.5": (True, [("{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}",
                     "{{'<|assistant|>\n'}}{% generation %}{{ message['content'] + '<|end|>'}}{% endgeneration %}{{'\n'}}")]),
}  # fmt: skip


def tagged_spans(name, source, tokens, conversation, whole):
    """What transformers says is generated: code points, neighbors joined."""
    calls, changes = TAGS[name]
    if not calls and any("tool_calls" in message for message in conversation["messages"]):
        return None
    for old, new in changes:
        assert old in source, (name, old)
        source = source.replace(old, new)
    options = {**tokens, **conversation.get("options", {})}
    rendered, indices = chat_template_utils.render_jinja_template(
        conversations=[conversation["messages"]],
        tools=conversation.get("tools"),
        chat_template=source,
        return_assistant_tokens_mask=True,
        **options,
    )
    assert rendered[0] == whole, (name, rendered[0], whole)
    joined = []
    for start, end in indices[0]:
        if joined and joined[-1][1] == start:
            joined[-1][1] = end
        elif end > start:
            joined.append([start, end])
    return joined


def digest(text):
    # A lone surrogate cannot be written; none of these templates makes one.
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def render(source, tokens, conversation, messages, prompt):
    options = dict(tokens)
    options.update(conversation.get("options", {}))
    rendered, _ = chat_template_utils.render_jinja_template(
        conversations=[messages],
        tools=conversation.get("tools"),
        chat_template=source,
        add_generation_prompt=prompt,
        **options,
    )
    return rendered[0]


def attempt(*given):
    try:
        return render(*given), None
    except jinja2.exceptions.SecurityError as error:
        return None, f"refused: {error}"
    except jinja2.exceptions.UndefinedError as error:
        return None, f"undefined: {error}"
    except jinja2.exceptions.TemplateError as error:
        return None, f"raised: {error}"
    except Exception as error:  # noqa: BLE001, every other fault of a template
        return None, f"{type(error).__name__}: {error}"


def spans(source, tokens, conversation, whole):
    found = []
    messages = conversation["messages"]
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, _ = attempt(source, tokens, conversation, messages[:i], True) if i else (None, None)
        after, _ = attempt(source, tokens, conversation, messages[: i + 1], False)
        fits = before is not None and after is not None and whole.startswith(after) and after.startswith(before)
        found.append([len(before), len(after)] if fits else None)
    return found


results = {}
for folder in args.folders:
    for file in sorted(os.listdir(folder)):
        if not file.endswith(".jinja") or file.endswith(".tagged.jinja"):
            continue
        name = file.removesuffix(".jinja")
        with open(os.path.join(folder, file), encoding="utf-8", newline="") as opened:
            source = opened.read()
        bos, eos = tokens_of(name)
        tokens = {key: value for key, value in (("bos_token", bos), ("eos_token", eos)) if value}
        rows = []
        for conversation in CONVERSATIONS:
            row = {}
            for key, prompt in (("text", False), ("prompt", True)):
                text, error = attempt(source, tokens, conversation, conversation["messages"], prompt)
                row[key] = digest(text) if error is None else {"error": error}
                if not prompt and error is None:
                    row["spans"] = spans(source, tokens, conversation, text)
                    if name in TAGS:
                        row["tagged"] = tagged_spans(name, source, tokens, conversation, text)
            rows.append(row)
        results[name] = {"sha256": hashlib.sha256(source.encode()).hexdigest(), **tokens, "rows": rows}
        refused = sum(isinstance(row["text"], dict) for row in rows)
        told = [span for row in rows for span in row.get("spans", [])]
        print(f"{name}: {len(rows)} conversations, {refused} refused, {sum(s is not None for s in told)} of {len(told)} replies by prefixes")

golden = {
    "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
    "conversations": CONVERSATIONS,
    "templates": results,
}
with open(args.out, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
    packed.write(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode())
