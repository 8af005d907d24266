"""Which addresses of calls are shown to people."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.usage import trace_url
from stream.usage.trace_url import TRACE_URL_MAX_CHARS, Refusal, refusal

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
        "http://my_host:16686/trace/1",
        "https://t.example/7?sort_key=time&issuekey=A-1&groupKey=x",
        "https://t.example/7?max_tokens=4096&session_id=chat-7&status_code=200",
        f"https://t.example/7?redirect=%2Ftrace%2F{TRACE}",
        "https://git.example/commit/9b1c7d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718",
        "https://t.example/7?q=100%25&text=a%20b%22c%22",
        "https://t.example/" + "x" * (TRACE_URL_MAX_CHARS - 18),
    ],
)
def test_addresses_of_traces_are_shown(url: str):
    assert refusal(url) is None


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
    assert refusal(url) is not None


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
        "https://t.example/7?to%6ben=abc",
        "https://t.example/7?to%256ben=abc",
        "https://t.example/7?a=%252525252525",
        "https://t.example/sk%2Dproj%2D4eC39HqLyjWDarjtT1zdp7dc",
        "https://t.example/7?q=api_key%3A%22sk-proj-4eC39HqLyjWDarjtT1zdp7dc%22",
        "https://t.example/7?q=(sk-proj-4eC39HqLyjWDarjtT1zdp7dc)",
        "https://t.example/7?q=a+sk-proj-4eC39HqLyjWDarjtT1zdp7dc",
        "https://t.example/7?q=a%20sk-proj-4eC39HqLyjWDarjtT1zdp7dc%20b",
        "https://t.example/7?q=Bearer%20abc",
        "https://t.example/7?q=bearer+abc",
        "https://t.example/7?sas=c2FzIGlzIGEgc2VjcmV0IHRoYXQgb3BlbnM%3D%3D",
        "https://t.example/7?x=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "https://t.example/7?x=wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY",
        "https://t.example/7?redirect=https%3A%2F%2Fme%3Apass%40host%2F",
        "https://t.example/7?redirect=https%253A%252F%252Fme%253Apass%2540host%252F",
        "https://t.example/7?next=https://me:pass@host/",
        "https://t.example/7?dsn=postgres://me:pass@host/db",
        "https://t.example/7?token[]=x",
        "https://t.example/7?token%5B%5D=x",
        "https://t.example/7?token[0]=x",
        "https://t.example/7?auth[token]=x",
        "https://t.example/7?auth[type]=x",
        "https://t.example/7?tokens=x",
        "https://t.example/7?api_keys=x",
        "https://t.example/7?q=a+api_key%20%3D%20x",
        "https://t.example/7;jsessionid=abc",
        "https://t.example/7?sessionid=abc",
        "https://t.example/7?PHPSESSID=abc",
        f"https://t.example/7?session={TRACE}",
        f"https://t.example/7?sid={TRACE}",
        "https://t.example/7?pass=abc",
        "https://t.example/7?bearer=abc",
        "https://t.example/7?code=abc",
        "https://t.example/7?authCode=abc",
        "https://t.example/7?otp=123456",
        "https://t.example/7?k=9b1c7d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718",
        "https://t.example/token=abc",
    ],
)
def test_what_opens_a_door_is_not(url: str):
    assert refusal(url) is not None


@pytest.mark.parametrize(
    "name", ["authuser", "design", "sort_by", "trace_id", "tokens_min", "r", "encode", "compass"]
)
def test_a_parameter_that_only_looks_like_one_is_no_door(name: str):
    assert refusal(f"https://t.example/7?{name}=1") is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://t.example/" + "x" * 512, Refusal.TOO_LONG),
        ("ftp://t.example/7", Refusal.NOT_PLAIN),
        ("https://t.example/%25252520", Refusal.NOT_PLAIN),
        ("https://me@t.example/7", Refusal.USERINFO),
        ("https://t.example/7?next=//me@t.example", Refusal.USERINFO),
        ("https://t.example/7?token=sk-proj-4eC39HqLyjWDarjtT1zdp7dc", Refusal.DOOR),
        ("https://t.example/sk-proj-4eC39HqLyjWDarjtT1zdp7dc", Refusal.SECRET),
        ("https://t.example/7", None),
    ],
)
def test_it_is_said_why_a_link_is_not_shown(url: str, reason: Refusal | None):
    assert refusal(url) is reason


@pytest.mark.parametrize("name", sorted({*trace_url._DOORS, *trace_url._LAST_PARTS}))
def test_each_name_of_a_door_is_known_with_whatever_stands_around_it(name: str):
    for shown_as in (name, name.upper(), f"x_{name}", f"{name}[]", f"a[{name}]"):
        assert refusal(f"https://t.example/7?a=1&{shown_as}=x") is Refusal.DOOR


DOORS = [
    "sk-proj-4eC39HqLyjWDarjtT1zdp7dc",
    "4eC39HqLyjWDarjtT1zdp7dcQ8mZx2Kv",
    "AKIAIOSFODNN7EXAMPLE",
    "://me:pass@t.example/",
    "access_token=x",
    "auth[token]=x",
    "Bearer x",
    "api_keys[]=x",
]
WRAPPERS = [
    "{}",
    '"{}"',
    "({})",
    "[{}]",
    "{{{}}}",
    "a {} b",
    "a+{}",
    "'{}'",
    '{{"q":"{}"}}',
    "a,{};",
]


@settings(max_examples=300)
@given(
    st.sampled_from(DOORS),
    st.sampled_from(WRAPPERS),
    st.sampled_from(["/{}", "/7?q={}", "/7?a=1&b={}", "/7#{}", "/7;{}"]),
    st.lists(st.booleans(), min_size=64, max_size=64),
    st.integers(1, 2),
)
def test_no_encoding_hides_what_opens_a_door(
    door: str, wrapper: str, place: str, masks: list[bool], times: int
):
    safe = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~[]=:/@+")
    encoded = "".join(
        f"%{ord(each):02x}" if is_hidden or each not in safe else each
        for each, is_hidden in zip(wrapper.format(door), masks, strict=False)
    )
    if times == 2:
        encoded = encoded.replace("%", "%25")
    assert refusal(f"https://t.example{place.format(encoded)}") is not None


@given(st.text())
def test_whatever_is_sent_is_shown_or_not(text: str):
    assert refusal(text) in {None, *Refusal}
    assert refusal(f"https://t.example/7?{text}") in {None, *Refusal}
