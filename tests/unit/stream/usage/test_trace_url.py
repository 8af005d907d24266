"""Which addresses of calls are shown to people."""

import pytest

from stream.usage.trace_url import TRACE_URL_MAX_CHARS, is_shown

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "url",
    [
        f"https://tempo.example/trace/{TRACE}",
        f"http://jaeger.svc:16686/trace/{TRACE}?uiFind=00f067aa0ba902b7",
        "https://cloud.langfuse.com/project/clkpwwm0m000gmm094odg11gi/traces/5c7ab0f7-0f3c-4d3e",
        "https://smith.langchain.com/o/1f3870be-274f-4c49-b3e3-1a0f6728957f/r/9a0364b9?poll=true",
        f"https://ui.honeycomb.io/acme/datasets/llm/trace?trace_id={TRACE}&span=00f067aa0ba902b7",
        "https://app.datadoghq.com/apm/trace/5218957683?spanID=71&timeHint=1700000000",
        "https://grafana.example/explore?left=%7B%22datasource%22:%22tempo%22%7D&orgId=1",
        "https://console.aws.amazon.com/xray/home#/traces/1-5759e988-bd862e3fe1be46a994272793",
        "https://[2001:db8::1]:8080/t/7",
        "https://t.example",
        "https://t.example/@me/(7)?a=b@c",
        "https://t.example/" + "x" * (TRACE_URL_MAX_CHARS - 18),
    ],
)
def test_addresses_of_traces_are_shown(url: str):
    assert is_shown(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "/trace/7",
        "t.example/7",
        "ftp://t.example/7",
        "javascript:alert(1)",
        "data:text/html,<b>",
        "https://",
        "https:///7",
        "https://t.example/a b",
        "https://t.example/7\n",
        "https://t.example/<!channel>",
        "https://t.example/7|click here",
        'https://t.example/"7"',
        "https://t.example/`7`",
        "https://t.example\\@evil.example/",
        "https://t.\u0435xample/7",
        "https://t.example/\ufffd",
        "https://t.example/" + "x" * (TRACE_URL_MAX_CHARS - 17),
    ],
)
def test_what_is_no_plain_web_address_is_not(url: str):
    assert not is_shown(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:pass@t.example/7",
        "https://me@t.example/7",
        "https://t.example:443@evil.example/7",
        "https://t.example/7?token=abc",
        "https://t.example/7?a=1&access_token=abc",
        "https://t.example/7?accessToken=abc",
        "https://t.example/7?api-key=abc",
        "https://t.example/7?KEY=abc",
        "https://t.example/7#id_token=abc",
        "https://t.example/7?client_secret=abc",
        "https://t.example/7?password=abc",
        "https://b.example/7?X-Amz-Date=1&X-Amz-Signature=abc",
        "https://b.example/7?sv=1&sig=abc",
        "https://t.example/7?next=https%3A%2F%2Fb.example%2F%3Ftoken%3Dabc",
        "https://t.example/sk-proj-4eC39HqLyjWDarjtT1zdp7dc",
        "https://t.example/7?k=AKIAIOSFODNN7EXAMPLE",
        "https://t.example/7?j=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
        "https://t.example/share/4eC39HqLyjWDarjtT1zdp7dcQ8mZx2Kv",
    ],
)
def test_what_opens_a_door_is_not(url: str):
    assert not is_shown(url)


@pytest.mark.parametrize("name", ["authuser", "design", "sort_by", "trace_id", "tokens_min", "r"])
def test_a_parameter_that_only_looks_like_one_is_no_door(name: str):
    assert is_shown(f"https://t.example/7?{name}=1")
