"""Videos decoded by PyAV: frames as a player would show them, stored as JPEG. Needs the extra "video"."""
