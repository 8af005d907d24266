"""What follows for a part from the settings of others, said once for worker and replay."""

from stream.config import Settings
from stream.watch.bounds import Bounds
from stream.watch.watermark import WatermarkPolicy


def bounds_of(settings: Settings) -> Bounds:
    """A kind's bound on names, split evenly over the delta partitions, rounded down.

    Each keeps at least one: a bound below their number admits one name a partition.
    """
    partitions = settings.topics.deltas_partitions
    fanout = settings.fanout
    return Bounds(
        max(1, fanout.max_names // partitions),
        {kind: max(1, bound // partitions) for kind, bound in fanout.max_names_by_kind.items()},
    )


def watermark_policy(settings: Settings, inputs: int) -> WatermarkPolicy:
    """Whom the watermark waits for.

    Args:
        settings: the configuration.
        inputs: how many input partitions there are: a worker asks the broker, a backtest goes by
            the configuration.
    """
    return WatermarkPolicy(
        inputs, settings.watch.max_silence_messages, settings.watch.max_skew_seconds
    )
