"""Conversations through chat templates: text, ids and what is learned of them, as transformers has it.

Usage: templates.py OUT_FOLDER

Writes templates.json (conversations, and of each template its text, ids and assistant mask for each of them) and
tokenizer.json, a small byte-level BPE that is trained here on the conversations themselves. The masks come from
transformers' own {% generation %} on a copy of each template in which the tag stands around what a reply is: that copy
must write the same text. Both stand in templates/, as NAME.jinja and NAME.tagged.jinja.
"""

import argparse
import json
import os
import random

import jinja2
import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

arguments = argparse.ArgumentParser()
arguments.add_argument("out")
args = arguments.parse_args()
random.seed(0)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


def source(name):
    with open(os.path.join(HERE, name), encoding="utf-8", newline="") as file:
        return file.read()


SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]", "[/INST]",
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
]  # fmt: skip

# Name: bos, eos. SmolLM2's and Qwen's are the models' own (Apache-2.0); the others are ours,
# with the habits of their families: a prompt that is always there, dates, tools, trimming, roles that must alternate.
TEMPLATES = {
    "smollm2": ("<|im_start|>", "<|im_end|>"),
    "qwen2.5": (None, "<|im_end|>"),
    "qwen3": (None, "<|im_end|>"),
    "llama3-like": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama3.1-like": ("<|begin_of_text|>", "<|eot_id|>"),
    "mistral-like": ("<s>", "</s>"),
}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Look up the weather <now> & \"then\"",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "City, e.g. 北京"},
                "days": {"type": "integer", "minimum": 1, "default": 3},
                "scale": {"type": "number", "default": 1.0, "maximum": 1e22},
            },
            "required": ["city"],
        },
    },
}
SEARCH = {"name": "search", "description": "Search", "parameters": {"type": "object", "properties": {}}}


def say(*turns, system="", tools=None):
    """Turns of user and assistant in alternation; a tuple is a role of its own."""
    roles = ["user", "assistant"]
    messages = []
    for i, turn in enumerate(turns):
        if isinstance(turn, str):
            turn = (roles[i % 2], turn)
        message = {"role": turn[0], "content": turn[1]}
        if len(turn) > 2:
            message.update(turn[2])
        messages.append(message)
    return {"messages": messages, "system": system, "tools": "" if tools is None else json.dumps(tools, ensure_ascii=False)}


def call(*calls, **more):
    objects = [{"name": name, "arguments": given} for name, given in calls]
    content = json.dumps(objects if len(objects) > 1 else objects[0], ensure_ascii=False)
    return ("function", content, more)


NASTY = [
    " leading and trailing ", "\n\nnew lines first", "ends in new lines\n\n", "\t\ttabs\tand \r\n returns", "",
    "<|im_end|> in the text <|eot_id|></s>", "quotes ' and \" and \\ and {{ braces }} {% for %} {# note #}",
    "日本語と中文 한국어", "e\u0301 combining, \U0001f468\u200d\U0001f469\u200d\U0001f467 family, \U0001f1f3\U0001f1f4 flag",
    "\u200bzero\u200bwidth\u00a0no-break", "a" * 300, "1234567890 3.14 1e-5 0x7f", "def f(x):\n    return x ** 2\n",
    "</think> and <think>", "$1 $& $$ \\1", "ends with a space ", "مرحبا بالعالم", "สวัสดีชาวโลก", "- a\n- b\n\n  1. c",
]  # fmt: skip

CONVERSATIONS = [say("Hello!", "Hi, how can I help?")]
CONVERSATIONS += [say(text, f"Reply to it: {text}") for text in NASTY]
CONVERSATIONS += [say(f"Question {i}", text, "And then?", f"{text} again") for i, text in enumerate(NASTY)]
CONVERSATIONS += [
    say("Hi", "Yo", system="Be brief."),
    say("Hi", "Yo", system="  spaced system\n"),
    say("1", "2", "3", "4", "5", "6", "7", "8", system="Count."),
    say("same", "same", "same", "same"),
    say("question", "reply", "reply", "question"),
]
TOOLS = [
    say("Weather in Beijing?", call(("get_weather", {"city": "北京", "days": 2})), ("observation", '{"t": 20.0}'), "20 degrees.",
        tools=[WEATHER], system="Use tools."),
    say("Weather?", call(("get_weather", {"city": "Oslo", "scale": 1.0, "deep": {"a": None, "b": [True, -0.5, 1e22]}})),
        ("observation", "rain"), "Rain.", "Thanks", "Welcome.", tools=[WEATHER]),
    say("Both?", call(("get_weather", {"city": "Oslo"}), ("search", {"q": 'x "y" <z> & é'})),
        ("observation", "a\n</tool_response>\n<tool_response>\nb", {"results": ["a", "b"]}), "Done.", tools=[WEATHER, SEARCH]),
    say("Look", call(("search", {}), words="Let me see."), ("observation", "nothing"), "Nothing.", tools=[SEARCH]),
]  # fmt: skip


def hugging_face(conversation):
    """The messages as transformers' users write them."""
    messages = []
    if conversation["system"]:
        messages.append({"role": "system", "content": conversation["system"]})
    for message in conversation["messages"]:
        if message["role"] == "observation":
            messages += [{"role": "tool", "content": text} for text in message.get("results", [message["content"]])]
        elif message["role"] == "function":
            calls = json.loads(message["content"])
            calls = calls if isinstance(calls, list) else [calls]
            messages.append({
                "role": "assistant",
                "content": message.get("words", ""),
                "tool_calls": [{"type": "function", "function": call} for call in calls],
            })  # fmt: skip
        else:
            messages.append({"role": message["role"], "content": message["content"]})
    return messages


def tools_of(conversation):
    if not conversation["tools"]:
        return None
    tools = json.loads(conversation["tools"])
    return [tool if tool.get("type") == "function" else {"type": "function", "function": tool} for tool in tools]


tiny = Tokenizer(models.BPE())
tiny.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tiny.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=700, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
)
corpus = [message["content"] for c in CONVERSATIONS + TOOLS for message in c["messages"]]
tiny.train_from_iterator(corpus + [source(f"{name}.jinja") for name in TEMPLATES], trainer)

results = {}
for name, (bos, eos) in TEMPLATES.items():
    plain, tagged = source(f"{name}.jinja"), source(f"{name}.tagged.jinja")
    tokens = {"bos_token": bos} if bos else {}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny, eos_token=eos, **tokens)
    rows = []
    for index, conversation in enumerate(CONVERSATIONS + TOOLS):
        messages, tools = hugging_face(conversation), tools_of(conversation)
        options = {"tools": tools}
        try:
            tokenizer.chat_template = plain
            text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
            prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True, **options)
        except jinja2.exceptions.TemplateError as error:
            rows.append({"conversation": index, "error": str(error)})
            continue
        ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)["input_ids"]
        tokenizer.chat_template = tagged
        assert tokenizer.apply_chat_template(messages, tokenize=False, **options) == text, (name, index)
        encoded = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **options
        )
        assert encoded["input_ids"] == ids
        mask = encoded["assistant_masks"]
        runs = []
        for bit in mask:
            if runs and (len(runs) % 2 == 0) == bool(bit):
                runs[-1] += 1
            else:
                runs += [1] if runs or not bit else [0, 1]
        rows.append({"conversation": index, "text": text, "prompt": prompt, "ids": ids, "mask_runs": runs})
    results[name] = {"template": plain, "tagged": tagged, "bos": bos, "eos": eos, "rows": rows}
    print(name, len(rows), sum("error" in row for row in rows), "refused")

os.makedirs(args.out, exist_ok=True)
tiny.save(os.path.join(args.out, "tokenizer.json"), pretty=False)
golden = {
    "versions": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "jinja2": jinja2.__version__},
    "specials": SPECIALS,
    "conversations": CONVERSATIONS + TOOLS,
    "templates": results,
}
with open(os.path.join(args.out, "templates.json"), "w", encoding="utf-8") as file:
    json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
