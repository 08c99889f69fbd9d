"""The tasks by their names."""

from __future__ import annotations

from expansion.foundation.errors import InputError
from expansion.tasks.localization import LOCALIZATION
from expansion.tasks.multi_label import MULTI_LABEL
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (SINGLE_LABEL, MULTI_LABEL, LOCALIZATION)}

# What may be learnt from labels, by the task that they are for; first what is learnt without being asked for.
_LEARNABLE = {
    SINGLE_LABEL.name: (SINGLE_LABEL.name,),
    MULTI_LABEL.name: (MULTI_LABEL.name,),
    LOCALIZATION.name: (LOCALIZATION.name, MULTI_LABEL.name),
}


def learnable(labels: str) -> tuple[Task, ...]:
    """The tasks that can be learnt from labels and tried on them, by the name of the task that they are for."""
    return tuple(TASKS[name] for name in _LEARNABLE[labels])


def chosen(asked: str, labels: str, where: str) -> Task:
    """The task that is learnt from labels.

    Args:
        asked: name of a task, or "auto" for what the labels are for.
        labels: name of the task that they are for.
        where: what has them, for the message.

    Raises:
        InputError: the labels are not for what is asked.
    """
    allowed = learnable(labels)
    if asked == "auto":
        return allowed[0]
    if asked not in (task.name for task in allowed):
        raise InputError(f"recipe.task is {asked!r}, but the labels of {where} are for {labels}; they allow "
                         f"{' and '.join(task.name for task in allowed)}")
    return task_named(asked)


def task_named(name: str) -> Task:
    """The task of a name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"task {name!r} is not known; allowed are {', '.join(TASKS)}")
    return TASKS[name]
