"""Interlaced frames made whole ones by FFmpeg's bwdif: two half pictures of different moments would show as a comb."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import av
from av.filter import Graph

FILTER, OPTIONS = "bwdif", "mode=send_frame:deint=interlaced"  # a frame for each frame; those not flagged stay as they are


def deinterlaced(frames: Iterator[tuple[av.VideoFrame, float, float]]) -> Iterator[tuple[av.VideoFrame, float, float]]:
    """The frames with their times; from the first that is flagged as interlaced, they pass the filter.

    The filter looks at the frame before and the one after, so frames come one later, never fewer.
    """
    graph, shape, waiting = None, None, deque()
    for frame, moment, length in frames:
        found = frame.width, frame.height, frame.format.name
        if graph is not None and found != shape:
            yield from _rest(graph, waiting)
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield frame, moment, length
                continue
            graph, shape = _graph(frame), found
        waiting.append((moment, length))
        graph.vpush(frame)
        yield from _done(graph, waiting)
    if graph is not None:
        yield from _rest(graph, waiting)


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    step, sink = graph.add(FILTER, OPTIONS), graph.add("buffersink")
    source.link_to(step)
    step.link_to(sink)
    graph.configure()
    return graph


def _done(graph: Graph, waiting: deque) -> Iterator[tuple[av.VideoFrame, float, float]]:
    """What the filter has ready."""
    while waiting:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, EOFError):
            return
        yield frame, *waiting.popleft()


def _rest(graph: Graph, waiting: deque) -> Iterator[tuple[av.VideoFrame, float, float]]:
    """What the filter still holds at the end."""
    graph.vpush(None)
    yield from _done(graph, waiting)
