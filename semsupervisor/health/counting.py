"""One counter that is the sum of several with labels, which come and go while the whole only rises. Pure."""

from __future__ import annotations

from collections.abc import Mapping

MOST_PARTS = 4000


class Counted:
    """A program's counter that is kept in parts: what it has counted since the program began.

    A part that is not shown any more, such as that of a flow which was removed, has counted all the same; it neither
    takes away from the whole nor counts again when it comes back. Where the program began anew, all begins at 0.
    """

    def __init__(self) -> None:
        self._parts: dict[str, float] = {}
        self._before = 0.0
        self._began: float | None = None

    def see(self, parts: Mapping[str, float], began: float | None = None) -> float:
        """Take a look in, and return the whole; `began` tells one run of the program from another, if it is known."""
        if self._is_anew(parts, began):
            self._parts, self._before = {}, 0.0
        self._began = began
        for name, value in parts.items():
            last = self._parts.get(name, 0.0)
            if value < last:
                self._before += last
            self._parts[name] = value
        if len(self._parts) > MOST_PARTS:
            self._before += sum(value for name, value in self._parts.items() if name not in parts)
            self._parts = dict(parts)
        return self._before + sum(self._parts.values())

    def _is_anew(self, parts: Mapping[str, float], began: float | None) -> bool:
        """Tell whether the program began anew: it says so, or none of its parts has got as far as it was."""
        if began is not None and self._began is not None:
            return began != self._began
        counting = [name for name, value in self._parts.items() if value > 0]
        shown = [name for name in counting if name in parts]
        return bool(counting) and bool(parts) and all(parts[name] < self._parts[name] for name in shown)
