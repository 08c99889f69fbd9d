"""What statistics and schema see: the scalars of a record, never its frames."""

import tensorflow_data_validation as tfdv

from expansion.data.records import SCALARS


def scalar_statistics() -> tfdv.StatsOptions:
    return tfdv.StatsOptions(feature_allowlist=list(SCALARS))
