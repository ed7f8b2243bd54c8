"""The page at /docs: one file without scripts of others, so that it works where there is no network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from isthmus.serving._functions import Function
from isthmus.serving._media import ARROW, JSON

SCRIPT = """
for (const form of document.forms) form.onsubmit = async (event) => {
  event.preventDefault();
  const result = form.querySelector("output");
  result.textContent = "…";
  try {
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch(form.dataset.path, {method: "POST", headers, body: form.body.value});
    result.textContent = answer.status + " " + await answer.text();
  } catch (error) {
    result.textContent = "the service does not answer: " + error.message;
  }
};
"""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
pre, textarea, output { font: 14px/1.4 ui-monospace, monospace; }
pre, output { display: block; background: #f3f3f0; color: #222; padding: .5rem; overflow-x: auto; }
output:empty { display: none; }
textarea { box-sizing: border-box; width: 100%; height: 6rem; }
dt { font-weight: bold; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd; } a { color: #9cf; } }
"""


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


CONTENT_SECURITY = (
    f"default-src 'none'; script-src '{_hash(SCRIPT)}'; style-src '{_hash(STYLE)}'; "
    "img-src data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing but what the page itself holds runs in it, and it sends to its own service alone."""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
<h1>$title</h1>
<p>$description</p>
<p>Bodies and answers are <code>$json</code> or <code>$arrow</code>, as Content-Type and Accept say.
What is refused gets <code>{"error": …}</code>. There is <a href="openapi.json">OpenAPI</a>, and
<a href="health">the model</a> in JSON.</p>
$functions
<script>$script</script>
</body>
</html>
""")

FUNCTION = Template("""
<h2>POST /$name</h2>
<p>$summary $limits</p>
<dl><dt>Takes <code>$key</code></dt><dd>$names</dd>
<dt>Gives</dt><dd>$outputs</dd></dl>
<form data-path="$name">
<p><label for="$name">A body:</label></p>
<textarea id="$name" name="body" spellcheck="false">$body</textarea>
<p><button>Send</button></p>
<output></output>
</form>
<pre>curl -H 'Content-Type: application/json' -d @rows.json URL/$name</pre>
""")


def page(about: Mapping[str, Any], functions: Sequence[Function]) -> str:
    """The page of a service, from its description in OpenAPI."""
    of_each = (_section(function, about["paths"][f"/{function.name}"]["post"]) for function in functions)
    return PAGE.substitute(
        title=html.escape(about["info"]["title"]),
        description=html.escape(about["info"]["description"]),
        json=JSON,
        arrow=ARROW,
        functions="".join(of_each),
        script=SCRIPT,
        style=STYLE,
    )


def _section(function: Function, operation: Mapping[str, Any]) -> str:
    columns, example = function.columns, function.example.tolist()
    outputs = (f"{output.key}: {', '.join(output.names)}" for output in function.outputs)
    return FUNCTION.substitute(
        name=function.name,
        summary=html.escape(function.summary),
        limits=html.escape(operation["description"].partition(". ")[0] + "."),
        key=columns.key,
        names=html.escape(", ".join(columns.names)),
        outputs="<br>".join(map(html.escape, outputs)),
        body=html.escape(json.dumps({columns.key: example}, ensure_ascii=False)),
    )
