"""The driver of VideoExampleGen: a fingerprint of the input decides whether the cache still holds."""

from __future__ import annotations

import json
from typing import Any

from tfx.components.example_gen import driver, utils

from components.ingestion.ingest import make_plan
from components.ingestion.settings import IngestSettings
from expansion.foundation.settings import parse_settings


class VideoDriver(driver.FileBasedDriver):
    """Puts the fingerprint of labels, videos and settings into the cache key.

    TFX's own fingerprint sees the files that match a pattern under one folder; this one sees the label files, wherever
    they lie, and every video of any depth.
    """

    def resolve_exec_properties(self, exec_properties: dict[str, Any], pipeline_info, component_info) -> dict[str, Any]:
        """Adds span, version and fingerprint.

        Raises:
            InputError: the input has an error of use; nothing was decoded.
        """
        plan = make_plan(parse_settings(IngestSettings, json.loads(exec_properties["settings"]), "ingest"))
        exec_properties[utils.SPAN_PROPERTY_NAME] = 0
        exec_properties[utils.VERSION_PROPERTY_NAME] = None
        exec_properties[utils.FINGERPRINT_PROPERTY_NAME] = plan.fingerprint
        return exec_properties
