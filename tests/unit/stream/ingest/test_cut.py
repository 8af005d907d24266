from stream.ingest.cut import AdaptiveCut


def test_at_rest_a_batch_gathers_for_the_shortest_time():
    cut = AdaptiveCut(0.25, 1.0)
    assert cut.seconds == 0.25
    cut.took(0.01)
    assert cut.seconds == 0.25


def test_under_load_batches_grow_and_never_beyond_the_longest_time():
    cut = AdaptiveCut(0.25, 1.0)
    cut.took(0.2)
    assert cut.seconds == 0.8
    cut.took(5.0)
    assert cut.seconds == 1.0


def test_after_load_batches_shrink_again():
    cut = AdaptiveCut(0.25, 1.0)
    cut.took(5.0)
    for _ in range(20):
        cut.took(0.001)
    assert cut.seconds < 0.2501
