import random

import numpy as np

from stream.ingest.texts import Texts


def test_ranks_sort_as_texts_do_while_others_are_added():
    chance = random.Random(5)
    texts, known = Texts(), [""]
    for _ in range(300):
        for _ in range(chance.choice((0, 1, 7, 40))):
            text = f"{chance.choice('abz')}{chance.randrange(10**9)}\u00e9"
            assert texts.add(text) == len(known)
            known.append(text)
        some = chance.choices(range(len(known)), k=chance.choice((1, 5, 2 * len(known))))
        numbers = np.array(some, np.int32)
        order = np.argsort(texts.ranks(numbers), kind="stable").tolist()
        assert [known[some[at]] for at in order] == sorted(known[number] for number in some)
        assert list(texts.take(numbers)) == [known[number] for number in some]
    assert len(texts) == len(known)


def test_no_numbers_have_no_ranks():
    assert Texts().ranks(np.array([], np.int32)).tolist() == []
    assert list(Texts().take(np.array([0], np.int32))) == [""]
