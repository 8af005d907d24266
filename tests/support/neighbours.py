"""What other programs write about a model call: what arrives when somebody points them here.

One example of each, as small as it can be and still be what it is: answers of providers, records of
gateways and of tracing. spendwatch takes its own format only; of these some count as a call, by an
``id`` and a ``timestamp`` that mean the same, and the others have to be refused one by one.

Sources, read 2026-11-25: openai-python ``types/completion_usage.py`` and ``types/responses``,
anthropic-sdk-python ``types/usage.py``, python-genai ``types.py``, LiteLLM 1.106.2
``StandardLoggingPayload``, OpenTelemetry semantic conventions for GenAI.
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


def _openai_chat(name: str, at: int) -> Json:
    usage = {
        "prompt_tokens": 19,
        "completion_tokens": 10,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    head: Json = {"id": name, "object": "chat.completion", "created": at, "model": "gpt-4o"}
    return head | {"choices": [{"index": 0, "finish_reason": "stop"}], "usage": usage}


def _openai_responses(name: str, at: int) -> Json:
    usage = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 123,
    }
    return {"id": name, "created_at": at, "model": "gpt-4.1", "status": "completed", "usage": usage}


def _anthropic(name: str, at: int) -> Json:
    usage = {
        "input_tokens": 2095,
        "output_tokens": 503,
        "cache_creation_input_tokens": 2051,
        "cache_read_input_tokens": 2051,
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 2051},
        "server_tool_use": {"web_search_requests": 1},
        "service_tier": "standard",
    }
    model = "claude-sonnet-4-5"
    return {"id": name, "type": "message", "model": model, "timestamp": at, "usage": usage}


def _gemini(name: str, at: int) -> Json:
    usage = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 30,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 47,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    }
    return {
        "responseId": name,
        "modelVersion": "gemini-2.5-flash",
        "createTime": at,
        "usageMetadata": usage,
    }


def _bedrock(name: str, at: int) -> Json:
    usage = {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658, "cacheReadInputTokens": 0}
    metrics = {"latencyMs": 1275}
    return {"requestId": name, "timestamp": at, "usage": usage, "metrics": metrics}


def _litellm(name: str, at: int) -> Json:
    return {
        "id": name,
        "trace_id": f"t-{name}",
        "call_type": "acompletion",
        "response_cost": 0.000123,
        "status": "success",
        "custom_llm_provider": "openai",
        "model": "gpt-4o",
        "prompt_tokens": 19,
        "completion_tokens": 10,
        "total_tokens": 29,
        "startTime": at - 1.25,
        "endTime": float(at),
        "metadata": {"user_api_key_hash": "88dc28d0f03", "user_api_key_team_alias": "billing"},
        "cache_hit": None,
        "messages": [{"role": "user", "content": "hello"}],
    }


def _langfuse(name: str, at: int) -> Json:
    return {
        "id": name,
        "timestamp": at,
        "type": "GENERATION",
        "model": "gpt-4o",
        "usageDetails": {"input": 19, "output": 10, "total": 29},
        "costDetails": {"total": 0.000123},
        "metadata": {"session": "s"},
        "tags": ["production"],
    }


def _open_telemetry(name: str, at: int) -> Json:
    def text(key: str, value: str) -> Json:
        return {"key": key, "value": {"stringValue": value}}

    def count(key: str, value: int) -> Json:
        return {"key": key, "value": {"intValue": str(value)}}

    attributes = [
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", "gpt-4o"),
        count("gen_ai.usage.input_tokens", 19),
        count("gen_ai.usage.output_tokens", 10),
    ]
    span = {"spanId": name, "endTimeUnixNano": str(at * 10**9), "attributes": attributes}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def _cloud_event(name: str, at: int) -> Json:
    data = {"model": "gpt-4o", "input_tokens": 19, "output_tokens": 10, "timestamp": at}
    head = {"specversion": "1.0", "type": "llm.call", "source": "/gateway", "id": name}
    return head | {"data": data}


NEIGHBOURS: tuple[Callable[[str, int], Json], ...] = (
    _openai_chat,
    _openai_responses,
    _anthropic,
    _gemini,
    _bedrock,
    _litellm,
    _langfuse,
    _open_telemetry,
    _cloud_event,
)
"""Each takes an id and epoch seconds."""
