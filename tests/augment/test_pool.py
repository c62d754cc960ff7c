from __future__ import annotations

import pytest

from augment.pool import Pool, join_credits
from clips import BadInput
from tests.conftest import make_clip


def test_the_choice_depends_on_neither_order_nor_number_of_reads():
    clips = [make_clip(f"c{n}", 0.1) for n in range(50)]
    one, other = Pool(clips, 9), Pool(iter(clips[::-1]), 9)
    asking = make_clip("me", 0.1)
    assert one.others(asking) == other.others(asking)
    assert len(one.others(asking)) == 9
    assert one.find(one.others(asking)[3].clip_id) == one.others(asking)[3]


def test_a_clip_that_is_not_there_is_named():
    with pytest.raises(BadInput, match="'gone' is not in the pool"):
        Pool().find("gone")


@pytest.mark.parametrize(
    ("ours", "others", "licence", "attribution"),
    [
        (("CC0-1.0", "A"), [("CC0-1.0", "A")], "CC0-1.0", "A"),
        (("CC0-1.0", ""), [("CC-BY-4.0", "B")], "CC-BY-4.0 AND CC0-1.0", "B"),
        (("X AND Y", "A"), [("Y", "B"), ("X", "A")], "X AND Y", "A; B"),
        (("X OR Y", "A"), [("Z", "B")], "(X OR Y) AND Z", "A; B"),
        (("(X OR Y) AND Z", "A"), [("Z", "B")], "(X OR Y) AND Z", "A; B"),
    ],
)
def test_all_licences_must_be_kept(ours, others, licence, attribution):
    clip = make_clip("c", 0.1, licence=ours[0], attribution=ours[1])
    assert join_credits(clip, others) == {"licence": licence, "attribution": attribution}
