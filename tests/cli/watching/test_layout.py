"""How lines are shared out."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.watching.layout import Want, shared_out

WANTS = st.lists(
    st.builds(Want, st.integers(0, 9), st.integers(1, 6), st.integers(1, 40), st.integers(1, 3)), max_size=10
)


@given(WANTS, st.integers(-3, 80))
def test_nothing_gets_more_than_there_is(wants: list[Want], height: int) -> None:
    """In sum no more than the height; each part nothing, or from its least to its whole. The first may be cut."""
    got = shared_out(wants, height)
    assert sum(got) <= max(0, height)
    first = min(range(len(wants)), key=lambda place: wants[place].rank, default=None)
    for place, (want, lines) in enumerate(zip(wants, got, strict=True)):
        assert lines <= want.whole
        assert lines == 0 or place == first or lines >= min(want.least, want.whole)


@given(WANTS)
def test_where_there_is_space_everything_is_shown(wants: list[Want]) -> None:
    """No line is left out while there are lines."""
    assert shared_out(wants, sum(want.whole for want in wants)) == [want.whole for want in wants]


def test_what_matters_most_comes_first() -> None:
    """By rank, wherever a part stands; the rest is shared by weight."""
    assert shared_out([Want(2, 3, 9), Want(1, 3, 9)], 5) == [0, 5]
    assert shared_out([Want(2, 1, 9), Want(1, 1, 9, 2)], 8) == [3, 5]
