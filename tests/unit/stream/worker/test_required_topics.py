"""The topics of a worker follow its settings."""

from stream.config import Settings
from stream.worker.required_topics import topics_of


def test_the_topics_of_the_settings_follow_their_names_and_groups():
    settings = Settings.model_validate(
        {"topics": {"deltas": "mine", "deltas_partitions": 3}, "watch": {"group": "w"}}
    )

    topics = {topic.name: topic for topic in topics_of(settings)}

    assert topics["mine"].partitions == 3
    assert topics["w-live-changelog"].partitions == 3
