"""Reads the pickles inside PyTorch's files by an interpreter of its own, which has nothing that it could call.

The standard library splits a pickle into opcodes (pickletools); this gives meaning to those that a checkpoint needs.
A name of a function or class is only ever compared with the few that are known here, never looked up or imported.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from expansion.foundation.errors import InputError

MAX_OPCODES = 500_000  # a second's work; a checkpoint of XXL with its optimiser has less than half of it

# PyTorch's storage classes, and what one element is in numpy; "bfloat16" has no type there.
STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_ORDERED_DICT = "collections.OrderedDict"
_TENSOR, _PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
_SIZE, _DEVICE = "torch.Size", "torch.device"
KNOWN = {_ORDERED_DICT, _TENSOR, _PARAMETER, _SIZE, _DEVICE,
         *(f"torch.{name}" for name in (*STORAGES, *_DTYPES))}


class Refused(InputError):
    """A pickle that holds something else than a checkpoint needs, or is broken."""


@dataclass(frozen=True)
class Name:
    """The name of a function or class that the pickle asks for; one of KNOWN."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A run of numbers that lies elsewhere in the file, under `key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor: where its numbers lie in a storage, in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _whole(*numbers) -> bool:
    return all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in numbers)


def _storage(identity) -> Storage:
    """What a persistent id names: ("storage", type, key, device, elements), and None in the older format."""
    if not (isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage"):
        raise Refused("an object outside the pickle that is no storage")
    _, kind, key, _, count, *view = identity
    name = kind.text.removeprefix("torch.") if isinstance(kind, Name) else None
    if name not in STORAGES or not isinstance(key, str) or not _whole(count) or any(part is not None for part in view):
        raise Refused(f"a storage of unknown form: {name or kind!r}")
    return Storage(key, STORAGES[name], count)


def _view(arguments: tuple) -> View:
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], Storage):
        raise Refused("a tensor of unknown form")
    storage, offset, shape, strides = arguments[:4]
    if not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 16
            and _whole(offset, *shape, *strides)):
        raise Refused("a tensor with an impossible shape")
    elements, last = 1, offset
    for size, stride in zip(shape, strides):
        elements *= size
        last += (size - 1) * stride
    if elements > storage.count or (elements and last >= storage.count):
        raise Refused(f"a tensor of shape {shape} that reaches outside its storage of {storage.count} elements")
    return View(storage, offset, shape, strides)


def _call(function, arguments, tensor: Callable[[View], Any]):
    """What the few known calls stand for."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise Refused("a call of something that is no name")
    if function.text == _ORDERED_DICT and not arguments:
        return {}
    if function.text == _TENSOR:
        return tensor(_view(arguments))
    if function.text == _PARAMETER and arguments:
        return arguments[0]
    if function.text == _SIZE and len(arguments) == 1 and isinstance(arguments[0], tuple):
        return arguments[0]
    if function.text == _DEVICE:
        return str(arguments)
    raise Refused(f"a call of {function.text} with unknown arguments")


def _name(module: str, name: str) -> Name:
    text = f"{module}.{name}"
    if text not in KNOWN:
        raise Refused(f"it asks for {text!r}, which no checkpoint of weights needs")
    return Name(text)


_PUSH_ARGUMENT = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
                  "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_PUSH_NEW = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict,
             "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """The pickle's stack and memo. A mark opens a new stack; what closes it takes all that is on it."""

    def __init__(self, tensor: Callable[[View], Any]):
        self.tensor = tensor
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def marked(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def put(self, items: list[Any]) -> None:
        """Keys and values, in turn, into the dictionary on top."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise Refused("items of something that is no dictionary")
        for key, value in zip(items[::2], items[1::2]):
            if not isinstance(key, (str, int, float, bytes, type(None))):  # hashing nested tuples can take for ever
                raise Refused(f"a dictionary with a key of type {type(key).__name__}")
            target[key] = value

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Refused("elements of something that is no list")
        self.stack[-1].extend(items)

    def step(self, code: str, argument) -> None:
        stack = self.stack
        if code in _PUSH_ARGUMENT:
            stack.append(argument)
        elif code in _PUSH_NEW:
            stack.append(_PUSH_NEW[code]())
        elif code == "GLOBAL":
            stack.append(_name(*argument.split(" ", 1)))
        elif code == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(_name(str(module), str(name)))
        elif code in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif code == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif code == "MARK":
            self.below.append(stack)
            self.stack = []
        elif code == "TUPLE":
            items = self.marked()
            self.stack.append(tuple(items))
        elif code in _TUPLES:
            count = _TUPLES[code]
            stack[-count:] = [tuple(stack[-count:])]
        elif code == "SETITEM":
            value, key = stack.pop(), stack.pop()
            self.put([key, value])
        elif code == "SETITEMS":
            items = self.marked()
            self.put(items)
        elif code == "APPEND":
            item = stack.pop()
            self.append([item])
        elif code == "APPENDS":
            items = self.marked()
            self.append(items)
        elif code == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif code in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(_call(function, arguments, self.tensor))
        elif code == "BUILD":  # a state dict's _metadata: versions of the modules, not needed
            stack.pop()
            if not isinstance(stack[-1], dict):
                raise Refused("the state of something that is no dictionary")
        elif code not in ("PROTO", "FRAME"):
            raise Refused(f"the opcode {code}, which no checkpoint of weights needs")


def unpickle(file: BinaryIO, tensor: Callable[[View], Any] = lambda view: view):
    """One pickle, from where the file stands to its end: dictionaries, lists, tuples, numbers, text and tensors.

    Args:
        tensor: makes what stands for a tensor in the result.

    Raises:
        Refused: it asks for anything that is not in KNOWN, is broken, or is longer than MAX_OPCODES.
    """
    machine = _Machine(tensor)
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number > MAX_OPCODES:
                raise Refused(f"a pickle of more than {MAX_OPCODES} opcodes")
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except Refused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise Refused(f"a broken pickle ({type(error).__name__})") from None
    raise Refused("a pickle without an end")
