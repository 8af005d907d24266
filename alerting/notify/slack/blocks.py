"""A rendered incident as Slack blocks, within Slack's limits and with nothing in it that pings.

Every text that came from outside is escaped here, and sent ``verbatim`` so that Slack does not turn
names into mentions by itself. This file sends nothing.

Sources: docs.slack.dev/reference/block-kit (50 blocks, 3,000 characters a section text, 2,000 a
field), docs.slack.dev/messaging/formatting-message-text (escaping, date tokens), slackapi/bolt-js
issue 2509 (about 13,200 characters in all); read 2026-11.
"""

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from alerting.alert import Severity
from alerting.notify.render import Rendered
from alerting.words import instant

MAX_SECTION_CHARACTERS = 1500
MAX_HEADLINE_CHARACTERS = 1500
MAX_WHY_CHARACTERS = 600
MAX_FIELD_CHARACTERS = 300
MAX_URL_CHARACTERS = 600
"""As people see it: each & of it is five characters of the message."""

MAX_LINKS_CHARACTERS = 2600
"""Of all links, escaped: a call's address of 512 characters fits, if it were nothing but &."""

Blocks = list[dict[str, Any]]

_BETWEEN = " · "
_URL = re.compile(r"https?://[^\s<>|]+")
_MARKS = {"contained": ":lock:", "resolved": ":white_check_mark:", "overtaken": ":arrow_up:"}
_FIRING_MARKS = {
    Severity.CRITICAL: ":rotating_light:",
    Severity.WARNING: ":warning:",
    Severity.INFO: ":information_source:",
}


def escape(text: str) -> str:
    """Text that Slack shows as it is.

    >>> escape("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_within(text: str, max_characters: int) -> str:
    """Escaped, and cut before an entity would be, with a mark of the cut.

    >>> escape_within("a<b", 5)
    'a…'
    """
    escaped = escape(text)
    if len(escaped) <= max_characters:
        return escaped
    lengths = accumulate(len(escape(character)) for character in text)
    kept = sum(length < max_characters for length in lengths)
    return f"{escape(text[:kept])}…"


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _list(title: str, lines: Iterable[str]) -> Blocks:
    """One section with a title and a bullet a line; whole lines that do not fit are counted."""
    kept, room, left = [], MAX_SECTION_CHARACTERS - len(title) - 40, 0
    for line in lines:
        bullet = f"• {escape_within(line, MAX_FIELD_CHARACTERS)}"
        room -= len(bullet) + 1
        if room < 0:
            left += 1
        else:
            kept.append(bullet)
    if left:
        kept.append(f"• … {left} more lines")
    return [_section("\n".join([f"*{title}*", *kept]))] if kept else []


def _date(seconds: int) -> str:
    """An instant in each reader's own zone."""
    return f"<!date^{seconds}^{{date_short_pretty}} {{time}}|{instant(seconds)}>"


def _links(links: Iterable[tuple[str, str]]) -> Blocks:
    """Links on one line; what is no web address is left out rather than shown wrong."""
    fit, room = [], MAX_LINKS_CHARACTERS
    for label, url in links:
        link = f"<{escape(url)}|{escape(label)}>"
        size = len(link) + len(_BETWEEN)
        if len(url) <= MAX_URL_CHARACTERS and size <= room and _URL.fullmatch(url):
            fit.append(link)
            room -= size
    return [_section(_BETWEEN.join(fit))] if fit else []


def mark(rendered: Rendered) -> str:
    """The sign in front of the first line."""
    return _MARKS.get(rendered.state, _FIRING_MARKS[rendered.severity])


def text_of(rendered: Rendered) -> str:
    """The first two lines: what a phone shows."""
    first = f"{mark(rendered)} {escape_within(rendered.headline, MAX_HEADLINE_CHARACTERS)}"
    return f"{first}{_second_line(rendered)}"


def _second_line(rendered: Rendered) -> str:
    return f"\n{escape_within(rendered.why, MAX_WHY_CHARACTERS)}" if rendered.why else ""


def blocks_of(rendered: Rendered) -> Blocks:
    """The standing message: at most 7 blocks, under 12,000 characters."""
    headline = escape_within(rendered.headline, MAX_HEADLINE_CHARACTERS)
    state = f"{rendered.state.capitalize()} · {rendered.severity.value} · since "
    fields = [
        _mrkdwn(f"*{escape(label)}*\n{escape_within(text, MAX_FIELD_CHARACTERS)}")
        for label, text in rendered.facts
    ]
    return [
        _section(f"{mark(rendered)} *{headline}*{_second_line(rendered)}"),
        {"type": "context", "elements": [_mrkdwn(state + _date(rendered.since))]},
        {"type": "section", "fields": fields},
        *_list("Driven by", rendered.drivers),
        *_list("Done", rendered.actions),
        *_list("Also in this incident", rendered.others),
        *_links(rendered.links),
    ]


def reply_text(sentence: str) -> str:
    """A reply in the thread, or a summary."""
    return escape_within(sentence, MAX_HEADLINE_CHARACTERS)


def reply_blocks(sentence: str) -> Blocks:
    """The same as a block."""
    return [_section(reply_text(sentence))]
