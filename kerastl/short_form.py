"""The short form of a result, which a notebook shows by itself."""

import html
from collections.abc import Iterable


class ShortForm:
    """Base of results: a notebook shows their lines instead of every attribute."""

    def lines(self) -> Iterable[str]:
        """Returns the short form, line by line."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        # Tables keep their columns.
        text = html.escape("\n".join(self.lines()))
        return f'<pre style="overflow-x: auto">{text}</pre>'
