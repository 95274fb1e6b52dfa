"""Small Jinja templates, written out and drawn from a seeded grammar, and what transformers' Jinja2 makes of them.

Usage: jinja_expressions.py OUT_FILE

Writes a gzipped JSON: the variables, and pairs of a template with its text, or null where Python refuses it.
"""

import argparse
import copy
import gzip
import json
import random
import warnings

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template

arguments = argparse.ArgumentParser()
arguments.add_argument("out")
args = arguments.parse_args()
random.seed(20260726)
warnings.simplefilter("ignore", SyntaxWarning)

VARIABLES = {
    "messages": [
        {"role": "user", "content": "Hi there", "n": 1, "tags": ["b", "A", "c"]},
        {"role": "assistant", "content": " Yo\nline two \n", "n": 2.5, "tags": []},
        {"role": "user", "content": "ünï 日本 \U0001f468\u200d\U0001f469 e\u0301", "n": None},
    ],
    "text": "  The quick 'brown' fox <jumps> over 12 & 3.5 \t\n",
    "empty": "",
    "one": 1,
    "zero": 0,
    "neg": -7,
    "big": 9223372036854775808,
    "f": 2.0,
    "half": 0.5,
    "tiny": 1e-07,
    "huge": 1e22,
    "yes": True,
    "no": False,
    "nothing": None,
    "numbers": [3, 1, 2.0, -5, 1],
    "words": ["beta", "Alpha", "gamma", "alpha", ""],
    "nested": {"a": {"b": [1, {"c": "deep"}]}, "10": "ten", "2": "two", "items": "shadow", "key with space": [None, True]},
    "pairs": [["x", 1], ["y", 2]],
}

# What is known to part Jinja implementations, and what templates of models use.
WRITTEN = r"""
{{ -7 % 3 }} {{ 7 % -3 }} {{ -7 // 2 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 1.0 }} {{ 1e22 }} {{ 1e-7 }} {{ 0.1 + 0.2 }} {{ 1_000 }} {{ 0x1f }} {{ 10 // 3.0 }} {{ 5.5 % 2 }} {{ -5.5 // 2 }}
{{ big }} {{ big + 1 }} {{ big * big }} {{ huge }} {{ tiny }} {{ f }} {{ f + 1 }} {{ one + yes }} {{ yes }} {{ nothing }}
{{ "x" * 3 }} {{ 3 * "ab" }} {{ [1, 2] * 2 }} {{ [1] + [2.0] }} {{ (1, "a") }} {{ (1,) }} {{ () }} {{ {"a": 1, 2: none} }}
{{ "a" ~ 1 ~ 2.0 ~ none ~ true ~ missing }} {{ "%s is %d (%r) %5.2f%%" % ("x", 7, "q", 2) }} {{ "%s" % missing }}
{{ "a" "b" 'c' }} {{ 'it\'s' }} {{ "tab\there" }} {{ "\u65e5\x41" }} {{ "\d" }} {{ ["it's", 'q"q', "b\\n", "\n\x07"] }}
{{ 1 if yes }} {{ 1 if no }}| {{ 1 if no else 2 if no else 3 }} {{ yes and "x" or "y" }} {{ no or nothing or 0 }} {{ not nothing }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ "a" < "B" }} {{ [1, 2] < [1, 3] }} {{ 1 == 1.0 == true }} {{ "1" == 1 }} {{ none == none }}
{{ "ick" in text }} {{ 2 in numbers }} {{ 2.0 in [2] }} {{ "a" in nested }} {{ "10" in nested }} {{ 10 in nested }} {{ 3 not in numbers }}
{{ missing in ["a"] }} {{ missing == other }} {{ missing | length }} {{ missing | trim }}| {{ missing | list }} {{ missing | default("d") }}
{{ empty | default("d") }}|{{ empty | default("d", true) }} {{ nothing | default("d") }} {{ nothing | d("d", boolean=true) }}
{{ messages[0].role }} {{ messages[-1]["role"] }} {{ messages[9] }}| {{ messages[0].nope }}| {{ messages[0]["nope"] is defined }} {{ nested.items() | list | length }}
{{ nested["items"] }} {{ nested.items is callable }} {{ nested.a.b[1].c }} {{ nested["10"] }} {{ nested.get("zz", 5) }} {{ nested.get("zz") }} {{ nested.keys() | list }}
{{ numbers[1:3] }} {{ numbers[::-1] }} {{ numbers[-2:] }} {{ text[2:5] }} {{ text[::-2] }} {{ numbers[:0] }} {{ messages[2].content[:5] }} {{ messages[2].content | length }}
{{ messages[2].content[-1] }} {{ messages[2].content | reverse }} {{ messages[2].content | upper }} {{ words | sort }} {{ words | sort(reverse=true, case_sensitive=true) }}
{{ words | map("upper") | join(", ") }} {{ messages | map(attribute="role") | unique | list }} {{ messages | map(attribute="zz", default="-") | list }}
{{ messages | selectattr("role", "equalto", "user") | list | length }} {{ messages | rejectattr("role", "eq", "user") | map(attribute="n") | first }} {{ numbers | select("gt", 1) | list }}
{{ numbers | reject("odd") | list }} {{ messages | selectattr("tags") | list | length }} {{ numbers | sum }} {{ messages | sum(attribute="zz") }}
{{ numbers | max }} {{ numbers | min }} {{ words | max }} {{ [] | max }}| {{ [] | first }}| {{ words | last }}| {{ "abc" | first }} {{ numbers | join("-") }}
{{ messages | groupby("role") | map("first") | list }} {% for role, group in messages | groupby("role") %}{{ role }}:{{ group | length }} {% endfor %}
{{ nested | dictsort }} {{ {"b": 1, "A": 2} | dictsort }} {{ {"b": 1, "A": 2} | dictsort(true) }} {{ {"b": 1, "a": 2} | dictsort(by="value", reverse=true) }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3, 4, 5] | batch(2, "x") | list }} {{ [1, 2, 3, 4, 5] | slice(3) | list }} {{ [1, 2, 3, 4] | slice(3, "-") | list }}
{{ 42.555 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round | int }} {{ 7 | round }} {{ 2.1 | round(0, "ceil") }} {{ 2.9 | round(0, "floor") }} {{ 1234 | round(-2) }}
{{ "12" | int }} {{ "x" | int }} {{ "x" | int(5) }} {{ "3.9" | int }} {{ 3.9 | int }} {{ "1e3" | float }} {{ "z" | float }} {{ yes | int }} {{ "0x1F" | int(0, 16) }} {{ none | int }}
{{ text | trim }}| {{ text | title }}| {{ text | capitalize }}| {{ text | wordcount }} {{ "a-b c" | title }} {{ "--x--" | trim("-") }} {{ text.strip() }}| {{ "xxyx".strip("x") }} {{ "abc".lstrip("ab") }}
{{ text.split() }} {{ "a,b,,c".split(",") }} {{ "a,b,c".split(",", 1) }} {{ "a b c".rsplit(" ", 1) }} {{ " a  b ".split(" ") }} {{ "a\nb\r\nc".splitlines() }} {{ "x</think>y".split("</think>")[-1] }}
{{ "a.b.c".partition(".") }} {{ "a.b.c".rpartition(".") }} {{ "abc".find("c") }} {{ "abc".find("z") }} {{ "abcabc".rfind("b") }} {{ "abc".index("b") }} {{ "banana".count("an") }} {{ "abc".replace("b", "") }} {{ "aaa".replace("a", "b", 2) }} {{ "ab".replace("", "-") }}
{{ "Hello".startswith("He") }} {{ "Hello".endswith(("x", "lo")) }} {{ "Hello".swapcase() }} {{ "hello world".title() }} {{ "42".isdigit() }} {{ "a1".isalnum() }} {{ "".isalpha() }} {{ " ".isspace() }} {{ "Ab".islower() }} {{ "AB1".isupper() }}
{{ "x".center(5, "-") }} {{ "xy".center(5) }}| {{ "x".ljust(3) }}| {{ "x".rjust(3) }} {{ "7".zfill(3) }} {{ "-7".zfill(4) }} {{ "{0} {1} {a}".format(1, 2, a=3) }} {{ "{} {} {a!r}".format(1, 2.0, a="s") }} {{ "{:>5}|{:<4}|{:^5}|{:05d}|{:.2f}|{:,}".format("a", "b", "c", 42, 3.14159, 1234567) }}
{{ "abc".removeprefix("a") }} {{ "abc".removesuffix("c") }} {{ "a\tb".expandtabs is defined }} {{ "-".join(["a", "b"]) }} {{ "ß".upper() }} {{ "İ".lower() | length }}
{{ {"a": 1.0, "b": [1e22, -0.0, 1e-7, none, true], "é": "\u2028<&>'\""} | tojson }} {{ {"b": 1, "a": [1, {}]} | tojson(indent=2) }} {{ {"b": 1, "a": []} | tojson(sort_keys=true, separators=(",", ":")) }} {{ "é" | tojson(ensure_ascii=true) }} {{ [] | tojson(indent=4) }}
{{ big | tojson }} {{ (1, 2) | tojson }} {{ {1: 2, none: 3, true: 4} | tojson }} {{ "<a>" | e }} {{ "<a>" | e | e }} {{ "<a>" | safe + "<b>" }} {{ "<b>" + ("<a>" | safe) }} {{ ("<a>" | e) ~ "<b>" }} {{ "<" | safe | length }}
{{ "long text to cut off here" | truncate(12) }} {{ "long text to cut off here" | truncate(12, true, "..", 0) }} {{ "a\nb\n\nc" | indent }} {{ "a\nb" | indent(2, true) }} {{ "a\n\nb" | indent("> ", blank=true) }} {{ "a b" | urlencode }} {{ -3.5 | abs }}
{{ 3 is number }} {{ 3 is integer }} {{ 3.0 is float }} {{ true is number }} {{ true is integer }} {{ true is boolean }} {{ "s" is string }} {{ [] is sequence }} {{ {} is mapping }} {{ {} is iterable }} {{ 3 is iterable }} {{ missing is iterable }} {{ missing is sequence }} {{ none is none }} {{ 4 is divisibleby 2 }} {{ 3 is odd }} {{ 3 is even }} {{ "a" is in "abc" }} {{ "ABC" is upper }} {{ 1 is sameas 1 }} {{ x is undefined }} {{ range is callable }} {{ 5 is gt 3 }} {{ 5 is not lt(3) }}
{% for x in "ab日" %}[{{ x }}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.revindex0 }}{{ loop.length }}]{% else %}none{% endfor %}{% for x in missing %}{{ x }}{% else %}none{% endfor %}
{% for k, v in nested.items() %}{{ k }}={{ v }};{% endfor %} {% for k in nested %}{{ k }},{% endfor %} {% for [a, b] in pairs %}{% endfor %}
{% for a, b in pairs %}{{ a }}{{ b }}{{ loop.cycle("x", "y") }}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.changed(b) }} {% endfor %}
{% for x in numbers if x > 0 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}{% for x in range(5) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}
{% set x = 1 %}{% for i in range(3) %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }} {% set ns = namespace(v=0) %}{% for i in range(3) %}{% set ns.v = ns.v + i %}{% endfor %}{{ ns.v }}{% if yes %}{% set x = 9 %}{% endif %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set block %} some {{ a }} text {% endset %}[{{ block }}]{% set up | upper | trim %} shout {% endset %}[{{ up }}]{% with q = 5, r = a %}{{ q }}{{ r }}{% endwith %}{{ q is defined }}
{% macro m(a, b=2, *c) %}{% endmacro %}
{% macro m(a, b="B") %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }} {{ m(1, b=3) }} {{ m(1, 2, 3, z=4) }} {{ m() }} {{ m.name }}
{% macro outer(x) %}[{{ caller(x) }}]{% endmacro %}{% call(v) outer(7) %}<{{ v }}>{% endcall %}{% macro fact(n) %}{{ n if n < 2 else (n * (fact(n - 1) | int)) }}{% endmacro %}{{ fact(5) }}
{% filter upper | trim %} shouted {{ one }} {% endfilter %}{% raw %}{{ not }} {% done %}{% endraw %}{# a comment {{ x }} #}{%- if yes -%}  trimmed  {%- endif -%}  end
{{ dict(a=1, b=2) }} {{ dict([("k", 1)]) }} {{ dict({"a": 1}, c=3) }} {{ range(5) | list }} {{ range(2, 8, 3) | list }} {{ range(3, 0, -1) | list }} {{ range(3) }} {% set c = cycler("a", "b") %}{{ c.next() }}{{ c.next() }}{{ c.current }} {% set j = joiner("|") %}{{ j() }}{{ j() }}
{{ messages[0] }} {{ messages[1].content }}|{{ pairs }} {{ nested.values() | list }} {{ [missing] }} {{ {"a": missing} }} {{ [1.0, "é", none] | string }} {{ nested.items() | list }}
{{ namespace(a=1).a }} {{ namespace().b }}| {{ (1, 2) + (3,) }} {{ (1, 2)[0] }} {{ [3, 1] | sort | first }} {{ "b" > "a" }} {{ none | string }} {{ 5 | string + "5" }} {{ [[1, 2], [3]] | sum(start=[]) }}
{{ text.nope }}|{{ text["nope"] }}|{{ one.real is defined }}|{{ nothing.x }}|{{ (yes).x }}
{{ missing.x }}
{{ missing["x"] }}
{{ missing() }}
{{ missing + 1 }}
{{ 1 + missing }}
{{ "a" + missing }}
{{ missing < 1 }}
{{ -missing }}
{{ "a" + 1 }}
{{ 1 + "a" }}
{{ [1] + "a" }}
{{ none + 1 }}
{{ "a" - "b" }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ "a" < 1 }}
{{ none < 1 }}
{{ [3, "a"] | sort }}
{{ none | length }}
{{ 3 | length }}
{{ 3 | list }}
{{ none | first }}
{{ none in "abc" }}
{{ 1 in 2 }}
{% for x in none %}{% endfor %}
{% for x in 3 %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for a, b in [[1]] %}{% endfor %}
{% set a, b = [1, 2, 3] %}
{{ text.nope() }}
{{ messages.append(1) }}
{{ nested.update({}) }}
{{ nested.pop("a") }}
{{ text.__class__ }}
{{ text.__class__.__mro__ }}
{{ messages.append }}
{{ nested[[1]] }}|
{{ {[1]: 2} }}
{{ range(100001) }}
{{ range(0) | list }} {{ range(1, 2, 0) }}
{{ dict(1) }}
{{ "a".join([1]) }}
{{ "abc".index("z") }}
{{ "a".split("") }}
{{ "a" | nosuchfilter }}
{{ "a" is nosuchtest }}
{% if no %}{{ "a" | nosuchfilter }}{% endif %}fine
{{ "%d" % "x" }}
{{ "%s %s" % ("x",) }}
{{ "{} {}".format(1) }}
{{ "{} {1}".format(1, 2) }}
{{ "{0} {}".format(1, 2) }}
{{ m(1) }}{% macro m(a) %}{{ a }}{% endmacro %}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% set x.y = 1 %}
{% set nested.y = 1 %}
{{ missing | tojson }}
{{ range | tojson }}
{{ nested.items() | tojson }}
{{ messages | map("nosuch") | list }}
{{ messages | map(attribute="role") | length }}
{{ loop }}{% for i in [1] %}{% for j in [1] %}{{ loop.index }}{% endfor %}{% endfor %}
{% include "x" %}
{% extends "x" %}
{% do x %}
{% break %}
{{ raise_exception("said so") }}
{% if %}{% endif %}
{% for x in [1] %}
{{ 1 +
{{ 'open }}
{% endif %}
{{ a b }}
{{ [1, 2 }}
{{ not }}
{% set true = 1 %}
{{ 1 is defined is defined }}
{{ x is string if yes else 2 }}
""".strip("\n").split("\n")

BLOCKS = [
    "a\n  {% if yes %}\n    b\n  {% endif %}\nc\n", "a\n  {%+ if yes %}\n    b\n  {% endif +%}\nc\n", "  {{ one }}  \n  {{- one -}}  \n x",
    "{% if yes %}\n\n{% endif %}\n\n", "\n\n{% set x = 1 %}\n{{ x }}\n\n", "x {# note #}\n y", "  {# note #}\n y", "  {#- note -#}\n y", "a\r\n  {% if yes %}\r\nb{% endif %}\r\n",
    "{{ '{{' }} {{ '%}' }} {{ {'a': {'b': 1}} }}", "{%- raw -%}  {{ x }}  {%- endraw -%}  y", "{% raw %}\n x\n{% endraw %}\n y", "{% if yes %}a{% elif no %}b{% else %}c{% endif %}\n",
    "{%for x in numbers%}{{x}}{%endfor%}", "\t{% if yes %}\t\n x {%- endif %}", "{{ one -}}\n\n  x\n\n{{- one }}", "a{{ one }}\n{% if yes %}b{% endif %}\nc", "\n", "", "  ", "text only\n\n",
]  # fmt: skip

ATOMS = [
    "1", "0", "-7", "2.0", "0.5", "'a'", "'Abc d'", "''", "true", "false", "none", "missing", "one", "neg", "big", "f", "half", "text", "empty", "yes", "nothing", "numbers",
    "words", "nested", "pairs", "messages", "messages[0]", "messages[1].content", "[1, 'b', none]", "{'k': 1}", "(1, 2)", "messages[2].content", "[]", "{}",
]  # fmt: skip
FILTERS = [
    "length", "trim", "upper", "lower", "title", "capitalize", "first", "last", "list", "join('-')", "sort", "reverse | list", "unique | list", "string", "int", "float", "abs",
    "round", "tojson", "default('d')", "default('d', true)", "sum", "min", "max", "e", "safe", "items | list", "dictsort", "batch(2) | list", "map('string') | list", "select | list",
    "reject('none') | list", "replace('a', 'X')", "wordcount", "count", "indent(2)", "tojson(indent=2)", "select('string') | list", "map('upper') | join", "center(9)", "string | length",
]  # fmt: skip
TESTS = [
    "defined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "true", "false", "odd", "even", "undefined", "callable", "eq(1)", "in([1, 'a'])",
    "gt(0)", "ne('a')", "divisibleby(2)", "sameas(none)", "lower", "upper", "escaped",
]  # fmt: skip
METHODS = [
    "strip()", "split()", "upper()", "items() | list", "keys() | list", "get('k')", "get('k', 2)", "startswith('A')", "replace('a', '')", "count('a')", "find('b')", "splitlines()",
    "title()", "format(1)", "copy()", "isdigit()", "index(1)", "join(words)", "zfill(4)", "values() | list", "lstrip('A')", "rsplit('b', 1)", "partition(' ')",
]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]
SLICED = ["text", "numbers", "words", "messages", "messages[2].content", "pairs[0]", "missing", "nothing", "yes", "nested"]
KEYS = ["0", "-1", "'k'", "'a'", "1:", ":2", "::-1", "-2:", "'items'", "one", "missing", "5"]


def expression(depth):
    if depth == 0 or random.random() < 0.15:
        return random.choice(ATOMS)
    kind = random.randrange(9)
    if kind <= 2:
        return f"({expression(depth - 1)} {random.choice(OPERATORS)} {expression(depth - 1)})"
    if kind == 3:
        return f"({expression(depth - 1)} | {random.choice(FILTERS)})"
    if kind == 4:
        return f"({expression(depth - 1)} is {random.choice(['', 'not '])}{random.choice(TESTS)})"
    if kind == 5:
        return f"({expression(depth - 1)}).{random.choice(METHODS)}"
    if kind == 6:
        key = random.choice(KEYS)
        # What slices of constants are depends on what Jinja2's optimizer makes of them.
        return f"({random.choice(SLICED) if ':' in key else expression(depth - 1)})[{key}]"
    if kind == 7:
        return f"({expression(depth - 1)} if {expression(depth - 1)} else {expression(depth - 1)})"
    return f"[{expression(depth - 1)}, {expression(depth - 1)}]"


def statement(depth):
    kind = random.randrange(6)
    inner = statement(depth - 1) if depth > 0 else f"{{{{ {expression(1)} }}}}"
    if kind == 0:
        return f"{{% for x in {expression(1)} %}}{{{{ x }}}}{{{{ loop.index }}}}{inner}{{% else %}}E{{% endfor %}}"
    if kind == 1:
        return f"{{% if {expression(2)} %}}{inner}{{% else %}}{{{{ {expression(1)} }}}}{{% endif %}}"
    if kind == 2:
        return f"{{% set x = {expression(2)} %}}{{{{ x }}}}{inner}"
    if kind == 3:
        return f"{{% macro m(a, b={expression(0)}) %}}{{{{ a }}}}|{{{{ b }}}}{{% endmacro %}}{{{{ m({expression(1)}) }}}}{inner}"
    if kind == 4:
        return f" \n  {{%- set y %}} {inner}\n {{% endset -%}} \n[{{{{ y }}}}]"
    return f"{{{{ {expression(2)} }}}} \n  {{% if yes %}}\n {inner}\n{{% endif %}}\n"


def attempt(source):
    # A filter may change a list in place (`indent` does).
    given = copy.deepcopy(VARIABLES)
    messages = given.pop("messages")
    try:
        rendered, _ = render_jinja_template(conversations=[messages], chat_template=source, **given)
    except Exception:  # noqa: BLE001, whatever Python says: it is refused
        return None
    text = rendered[0]
    # Addresses in memory, and texts that are too large to keep.
    return text if " at 0x" not in text and "<built-in" not in text and "<bound" not in text and len(text) < 20000 else False


drawn = [f"{{{{ {expression(3)} }}}}" for _ in range(2600)] + [statement(2) for _ in range(900)]
cases = []
for source in WRITTEN + BLOCKS + drawn:
    text = attempt(source)
    if text is not False:
        cases.append([source, text])
print(len(cases), "templates,", sum(text is None for _, text in cases), "refused")
golden = {
    "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
    "variables": VARIABLES,
    "cases": cases,
}
with open(args.out, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
    packed.write(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode())
