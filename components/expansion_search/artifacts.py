"""The artifact that carries the trace of a search."""

from tfx.types import artifact


class ExpansionTrace(artifact.Artifact):
    """A folder with trace.json (every candidate and decision), path.png, and the path of the search's own folder."""

    TYPE_NAME = "components.ExpansionTrace"  # where components/__init__.py has it
