from stream.ingest.cut import AdaptiveCut


def test_at_rest_a_batch_gathers_for_the_shortest_time():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    assert cut.seconds == 0.25
    cut.took(0.01, records=cut.records, blocked=0.0, waiting=0)
    assert cut.seconds == 0.25


def test_under_load_batches_grow_and_never_beyond_the_longest_time():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.took(0.4, records=cut.records, blocked=0.0, waiting=0)
    assert cut.seconds == 0.4
    cut.took(5.0, records=cut.records, blocked=0.0, waiting=0)
    assert cut.seconds == 1.0


def test_who_is_behind_gathers_longer_than_who_keeps_up():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.took(0.2, records=500, blocked=0.0, waiting=1000)
    assert cut.seconds == 0.25
    cut.took(0.2, records=500, blocked=0.0, waiting=1001)
    assert cut.seconds == 0.8


def test_what_came_while_only_the_time_was_told_is_no_backlog():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.took(0.2, records=0, blocked=0.0, waiting=3)
    assert cut.seconds == 0.25


def test_after_load_batches_shrink_again():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.took(5.0, records=cut.records, blocked=0.0, waiting=0)
    for _ in range(20):
        cut.took(0.001, records=cut.records, blocked=0.0, waiting=0)
    assert cut.seconds < 0.2501


def test_a_batch_that_was_lost_is_halved_down_to_a_record():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    assert cut.records == 1000
    cut.lost(700)
    assert cut.records == 350
    for _ in range(20):
        cut.lost(cut.records)
    assert cut.records == 1


def test_time_alone_that_was_lost_makes_no_batch_smaller():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.lost(0)
    assert cut.records == 1000


def test_batches_grow_again_while_they_are_quick_and_never_beyond_the_most():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.lost(400)
    cut.took(2.6, records=cut.records, blocked=0.0, waiting=0)
    assert cut.records == 200
    cut.took(2.4, records=cut.records, blocked=0.0, waiting=0)
    assert cut.records == 400
    for _ in range(3):
        cut.took(0.1, records=cut.records, blocked=0.0, waiting=0)
    assert cut.records == 1000


def test_a_batch_that_is_not_full_does_not_show_that_more_goes_well():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.lost(400)
    cut.took(0.01, records=0, blocked=0.0, waiting=0)
    cut.took(0.01, records=199, blocked=0.0, waiting=0)
    assert cut.records == 200


def test_a_batch_that_held_up_everything_else_is_cut_by_the_time_it_took_to_read():
    cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    cut.took(2.2, records=900, blocked=2.0, waiting=0)
    assert cut.records == 225
    cut.took(0.6, records=225, blocked=0.4, waiting=0)
    assert cut.records == 225, "twice as many would take too long"
    cut.took(0.3, records=225, blocked=0.2, waiting=0)
    assert cut.records == 450
    cut.took(900.0, records=1, blocked=900.0, waiting=0)
    assert cut.records == 1
    cut.took(900.0, records=0, blocked=900.0, waiting=0)
    assert cut.records == 1
