"""A file of usage events: JSON Lines, gzipped or not, read once and in bounded memory.

A file that cannot be one (missing, empty, binary, cut off) is refused with a sentence; a bad line
is not this file's business: it becomes a dead letter like any other record.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from stream.usage.decode import PAYLOAD_MAX_BYTES

_GZIP_MAGIC = b"\x1f\x8b"
_LOOKED_AT_BYTES = 8192
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventFileError(Exception):
    """A file that holds no lines to read; the text says why and what would do."""


class EventFile:
    """The lines of a file; use it as a context manager.

    Attributes:
        path: where it is.
        size_bytes: on disk; 0 for a pipe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._raw: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open it, and see that it can be one.

        Raises:
            EventFileError: it cannot be read, is empty, or is neither text nor gzipped text.
        """
        try:
            raw = self._raw = self.path.open("rb")
            self.size_bytes = self.path.stat().st_size
            start = raw.peek(_LOOKED_AT_BYTES)[:_LOOKED_AT_BYTES]
            self._is_gzip = start.startswith(_GZIP_MAGIC)
            self._lines: IO[bytes] = raw
            if self._is_gzip:
                zipped = gzip.GzipFile(fileobj=raw)
                start = zipped.peek(_LOOKED_AT_BYTES)[:_LOOKED_AT_BYTES]
                self._lines = zipped  # type: ignore[assignment]  # it reads lines like any other
        except (OSError, EOFError, zlib.error) as error:
            self.__exit__()
            raise self._unreadable(error) from None
        if not start:
            self.__exit__()
            raise EventFileError(f"{self.path} is empty; it should hold a JSON object per line")
        if b"\0" in start:
            self.__exit__()
            raise EventFileError(
                f"{self.path} is a binary file, or not UTF-8; it should hold a JSON object per line"
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._raw is not None:
            self._raw.close()

    @property
    def read_bytes(self) -> int:
        """How far it has been read, in bytes on disk."""
        return 0 if self._raw is None else self._raw.tell()

    def lines(self) -> Iterator[bytes]:
        """Every line without its end, blank ones too, so that counting them gives line numbers.

        A line longer than any event may be is cut, which is enough for it to be refused as such.

        Raises:
            EventFileError: the file breaks off, or is damaged.
        """
        longest = PAYLOAD_MAX_BYTES + 1
        is_first = True
        try:
            while line := self._lines.readline(longest):
                is_cut = len(line) == longest and not line.endswith(b"\n")
                rest = line if is_cut else b""
                while len(rest) == longest and not rest.endswith(b"\n"):
                    rest = self._lines.readline(longest)
                if is_first:
                    line, is_first = line.removeprefix(_BYTE_ORDER_MARK), False
                yield line if is_cut else line.strip()
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> EventFileError:
        if isinstance(error, EOFError):
            reason = "the gzipped data breaks off; is the copy complete?"
        elif isinstance(error, (zlib.error, gzip.BadGzipFile)):
            reason = "the gzipped data is damaged"
        else:
            reason = getattr(error, "strerror", None) or type(error).__name__
        return EventFileError(f"{self.path} cannot be read: {reason}")
