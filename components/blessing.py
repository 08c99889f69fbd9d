"""Which model a trained one is compared with: the last blessed one that is not itself.

TFX's own strategy gives, in a second run of an unchanged pipeline, the very model that is evaluated; the Evaluator then
runs again to compare it with itself instead of being served from the cache.
"""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.dsl.components.common import resolver

MODEL, BLESSING, CANDIDATE = "model", "model_blessing", "candidate"


class LastBlessedOtherModel(resolver.ResolverStrategy):
    """TFX's LatestBlessedModelStrategy over all models but those in the channel `candidate`."""

    def resolve_artifacts(self, store, input_dict):
        candidates = {artifact.id for artifact in input_dict[CANDIDATE]}
        others = [artifact for artifact in input_dict[MODEL] if artifact.id not in candidates]
        found = tfx.dsl.experimental.LatestBlessedModelStrategy().resolve_artifacts(
            store, {MODEL: others, BLESSING: input_dict[BLESSING]})
        return {**found, CANDIDATE: input_dict[CANDIDATE]}
