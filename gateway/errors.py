"""What operators can cause or mend, as opposed to what is wrong in the program."""

from __future__ import annotations

from typing import ClassVar


class OperatorError(Exception):
    """Something that an operator can cause or mend. Its argument is one line: what, where and what to do about it."""

    refused: ClassVar[bool] = False  # what was given does not hold, rather than cannot be used

    @property
    def lines(self) -> tuple[str, ...]:
        """What is told, one line for each reason."""
        return (str(self),)
