"""What a search has posted for its workers: workers.json in its folder, written by the process that decides."""

from __future__ import annotations

import os

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings, parse_settings

BOARD = "workers.json"


class Board(Settings):
    """What workers have to know of a search.

    Args:
        folder: of the search, as the chief sees it.
        data: folder of the records, as the chief sees it.
        threads: of a trial.
        lost_after: seconds without a sign of life after which a worker is lost.
        finished: whether the search has ended.
        trials: ids of those that are to be done, or in work.
    """

    folder: str
    data: str
    threads: int
    lost_after: float
    finished: bool = False
    trials: tuple[str, ...] = ()


def write_board(folder: str, board: Board) -> None:
    files.write_json(os.path.join(folder, BOARD), board.model_dump(mode="json"))


def read_board(folder: str) -> Board | None:
    """The board of a search; None where there is none yet.

    Raises:
        InputError: it is damaged, or of another version.
    """
    path = os.path.join(folder, BOARD)
    try:
        return parse_settings(Board, files.read_json(path), path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged ({error})") from None


def trial_folder(folder: str, trial: str) -> str:
    return os.path.join(folder, f"trial_{trial}")
