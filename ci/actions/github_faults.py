"""Faults that a test orders for the next requests: the answers that GitHub gives on a bad day."""

from dataclasses import dataclass, field
from typing import Any

SECONDARY = ("You have exceeded a secondary rate limit. Please wait a few minutes before you try "
             "again.")


@dataclass
class Fault:
    """The next `count` requests that fit get this answer in place of the true one."""

    kind: str = "status"  # or "secondary", "close": the connection ends without an answer
    status: int = 502
    count: int = 1
    method: str | None = None
    path: str | None = None  # a part of the path
    retry_after: int | None = None
    # The request is carried out all the same: what a lost answer looks like.
    carried_out: bool = False

    def fits(self, method: str, path: str) -> bool:
        return (self.count > 0 and self.method in (None, method)
                and (self.path is None or self.path in path))

    def answer(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.kind == "secondary":
            return 403, {"message": SECONDARY}, headers
        text = {429: "API rate limit exceeded", 502: "Server Error"}.get(self.status, "Injected")
        return self.status, {"message": text}, headers


@dataclass
class Faults:
    ordered: list[Fault] = field(default_factory=list)

    def add(self, **about: Any) -> None:
        self.ordered.append(Fault(**about))

    def next(self, method: str, path: str) -> Fault | None:
        for fault in self.ordered:
            if fault.fits(method, path):
                fault.count -= 1
                return fault
        return None

    def left(self) -> int:
        return sum(fault.count for fault in self.ordered)
