"""Logs: one JSON object a line on stderr, a constant event name and keys.

A secret never enters a log: values come from our own code, which carries secrets only as
``Secret``, whose text is masked. Faust's and aiokafka's own logs are taken in from ``warning`` up.
"""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure_logging() -> None:
    """Set up structlog and the standard library's loggers; once, at a process's start."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_terminal = sys.stderr.isatty()
    renderer: Processor = (
        # Its own way to show an exception shows the values of locals, secrets among them.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    tail: list[Processor] = (
        [renderer] if is_terminal else [structlog.processors.format_exc_info, renderer]
    )
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
