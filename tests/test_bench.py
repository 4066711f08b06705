"""What the benchmarks do with their figures."""

from .bench import rounds
from .bench.__main__ import table
from .bench.rounds import interleaved


def test_interleave_rounds_and_keep_medians(capsys, monkeypatch):
    monkeypatch.setattr(rounds, "SETTLE_SECONDS", 0)
    taken = []

    def contestant(name, figures):
        def measure():
            taken.append(name)
            return figures.pop(0)

        return measure

    one, other = contestant("one", [99.0, 3.0, 1.0, 2.0]), contestant("other", [99.0, 5.0, 50.0, 4.0])
    assert interleaved({"one": one, "other": other}, 3) == {"one": 2.0, "other": 5.0}
    assert taken == ["one", "other"] * 4
    assert "round 3 other: 4 tokens/s" in capsys.readouterr().out


def test_table_has_a_line_for_each_figure():
    lines = table({"machine": {}, "W4": {"portal": {"tokens_per_s": 1234.5}, "portal_to_engine": 0.97}}).splitlines()
    assert [line.split() for line in lines] == [
        ["W4"],
        ["portal", "tokens_per_s", "1,234.50"],
        ["portal_to_engine", "0.97"],
    ]
