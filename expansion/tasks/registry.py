"""The tasks by their names."""

from __future__ import annotations

from expansion.foundation.errors import InputError
from expansion.tasks.localization import LOCALIZATION
from expansion.tasks.multi_label import MULTI_LABEL
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (SINGLE_LABEL, MULTI_LABEL, LOCALIZATION)}


def task_named(name: str) -> Task:
    """The task of a name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"task {name!r} is not known; allowed are {', '.join(TASKS)}")
    return TASKS[name]
