"""Where a path is cut: every piece holds a share of the change, and a step is found however steep it is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explain_worker.mesh import PIECES, Curve, look_closer, scan


def curves(*functions):
    """Curves of tweets whose logits are these functions of the coefficient, the points looked at, and the look."""
    seen: list[tuple[int, float]] = []

    def look(points):
        seen.extend(points)
        return np.array([np.atleast_1d(functions[number](at)) for number, at in points], dtype=float)

    return scan(look, len(functions)), seen, look


def step(at, where=0.37, steep=2000.0, high=4.0):
    return high / (1 + np.exp(-np.clip(steep * (at - where), -50, 50)))


@settings(max_examples=60, deadline=None)
@given(st.floats(0.02, 0.98), st.floats(1, 4000), st.floats(-8, 8))
def test_the_pieces_cover_the_path_once_and_share_the_change(where, steep, high):
    [curve], _, _ = curves(lambda at: [step(at, where, steep, high), 7.0])
    assert (curve.pieces[0][0], curve.pieces[-1][1]) == (0.0, 1.0)
    assert all(one[1] == other[0] for one, other in pairwise(curve.pieces))
    moved = [abs(curve.change(piece)[0]) for piece in curve.pieces]
    assert sum(moved) == pytest.approx(abs(high * (step(1, where, steep, 1) - step(0, where, steep, 1))), abs=1e-9)
    if abs(high) > 0.5:
        assert max(moved) <= 0.27 * sum(moved)  # a sixth of change and length together
    assert len(curve.pieces) <= 3 * PIECES


def test_a_step_of_a_thousandth_of_the_path_is_looked_at_where_it_is():
    [curve], seen, _ = curves(step)
    near = [at for _, at in seen if abs(at - 0.37) < 0.005]
    assert len(near) > 4
    assert len(seen) < 40
    assert min(stop - start for start, stop in curve.pieces) < 0.002


def test_a_path_on_which_nothing_happens_is_cut_evenly():
    [curve], seen, _ = curves(lambda at: 3.0)
    lengths = [stop - start for start, stop in curve.pieces]
    assert len(seen) == 9
    assert max(lengths) <= 0.25


def test_a_tweet_is_looked_at_alike_whatever_is_scanned_beside_it():
    both, _, _ = curves(step, lambda at: at)
    for alone, one in zip((step, lambda at: at), both, strict=True):
        [curve], _, _ = curves(alone)
        assert curve.pieces == one.pieces


def test_logits_that_are_not_finite_are_looked_at_no_further():
    [curve], seen, _ = curves(lambda at: np.nan if at > 0.5 else at)
    assert not curve.finite
    assert len(seen) == 9


def test_a_piece_is_cut_where_its_change_is_halved_and_in_the_middle_where_nobody_looked():
    curve = Curve(np.array([0.0, 0.1, 0.2, 1.0]), np.array([[0.0], [1.0], [3.0], [5.0]]))
    curve.settle()
    assert curve.cut((0.0, 1.0)) == 0.2  # 3 and 2, rather than 1 and 4
    assert curve.cut((0.2, 1.0)) == pytest.approx(0.6)
    assert curve.cut((0.2, 0.2 + 1e-5)) is None


def test_cuts_do_not_depend_on_points_that_other_labels_brought():
    [curve], _, look = curves(step)
    piece = max(curve.pieces, key=lambda piece: piece[1] - piece[0])
    before = curve.cut(piece)
    look_closer(look, [curve], [(0, piece[0] + (piece[1] - piece[0]) * 0.123)])
    assert curve.cut(piece) == before
    assert curve.pieces == curves(step)[0][0].pieces
