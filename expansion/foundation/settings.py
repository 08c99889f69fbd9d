"""The base of all settings: frozen, no unknown keys, and errors in one line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from expansion.foundation.errors import InputError


class Settings(BaseModel):
    """Validated when it is made; never changed after."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_line(error: ValidationError, allowed: dict[str, object] | None = None) -> str:
    """The first complaint of a validation, naming the key, the value and what is allowed.

    Args:
        allowed: for unknown keys: the fields that the section of that dotted name has.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section = ".".join(str(part) for part in first["loc"][:-1])
        known = (allowed or {}).get(section)
        return f"unknown key {key!r}" + (f"; allowed are {', '.join(known)}" if known else "")
    if first["type"] == "missing":
        return f"{key} is missing"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(first["input"], dict):  # a section whose keys contradict each other
        return f"{key}: {message}" if key else message
    return f"{key} is {first['input']!r}: {message}" if key else message


def parse_settings(model: type[Settings], values: dict, where: str) -> Settings:
    """Settings from a dictionary.

    Raises:
        InputError: one line that begins with `where`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{where}: {one_line(error, _sections(model))}") from None


def _sections(model: type[BaseModel], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {prefix: list(model.model_fields)}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= _sections(field.annotation, f"{prefix}.{name}" if prefix else name)
    return found
