"""What the comparisons promise of turns, ratios and claims, with contenders that do nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # where Python looks when it runs one of them

import claims  # noqa: E402
import turns  # noqa: E402
from processes import Worker  # noqa: E402
from turns import OtherWork, Quartiles, order, ratio, take_turns  # noqa: E402

FAKE = str(Path(__file__).with_name("taking_turns.py"))
STEP = "time of a step, sftkeras float32 to PyTorch float32"
SERVED = "texts/s, sftkeras, gRPC to FastAPI + transformers, 16 clients"


@dataclass
class Fake:
    """A contender; notes what the others do in its turn."""

    name: str
    worker: Worker
    everyone: list[Worker]

    @property
    def processes(self) -> list[int]:
        return [self.worker.pid]

    def take_turn(self, number: int) -> float:
        for other in self.everyone:
            wait_until_stopped(other, other is not self.worker)
        return self.worker.ask(number=number)


def wait_until_stopped(worker: Worker, stopped: bool) -> None:
    """Waits until a process stands still, or does not: a signal arrives when the system has time for it."""
    limit = time.monotonic() + 120
    while (psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED) != stopped:
        assert time.monotonic() < limit
        time.sleep(0.01)


@contextmanager
def fakes(folder: Path, words: dict[str, list[str]]) -> Iterator[list[Fake]]:
    with ExitStack() as stack:
        arguments = {name: [str(folder / "turns.txt"), *each] for name, each in words.items()}
        workers = {
            name: stack.enter_context(Worker(FAKE, each, folder / f"{name}.log")) for name, each in arguments.items()
        }
        yield [Fake(name, worker, list(workers.values())) for name, worker in workers.items()]


def test_only_one_works_at_a_time_and_each_once_a_round_in_the_rounds_order(tmp_path: Path) -> None:
    with fakes(tmp_path, {"a": ["1"], "b": ["2"], "c": ["3"]}) as contenders:
        rounds = take_turns(contenders, 3, "Fakes")
        for each in contenders:
            wait_until_stopped(each.worker, False)
    assert [dict(sorted(results.items())) for results in rounds] == [
        {"a": 1.0 * number, "b": 2.0 * number, "c": 3.0 * number} for number in (1, 2, 3)
    ]
    factors = {"a": "1.0", "b": "2.0", "c": "3.0"}
    expected = [factors[name] for number in range(3) for name in order("abc", number)]
    assert (tmp_path / "turns.txt").read_text().split() == expected


def test_the_order_changes_and_everyone_has_each_place_equally_often() -> None:
    orders = [order("abcd", number) for number in range(40)]
    assert orders == [order("abcd", number) for number in range(40)]
    for block in range(0, 40, 4):
        assert all(sorted(places) == list("abcd") for places in zip(*orders[block : block + 4], strict=True))
    assert len(set(map(tuple, orders))) >= 12


def test_a_contender_that_dies_is_named_with_its_last_words_and_the_others_go_on_living(tmp_path: Path) -> None:
    with fakes(tmp_path, {"steady": ["1"], "weak": ["2", "1"]}) as contenders:
        with pytest.raises(SystemExit, match=r"weak ended: no more memory\nIts log is .*weak\.log"):
            take_turns(contenders, 3, "Fakes")
        assert contenders[0].worker.ask(number=4) == 5.0


def test_ratios_are_formed_within_rounds_so_that_a_slow_minute_does_not_move_them() -> None:
    rounds = [{"ours": 0.8 * slow, "theirs": 1.0 * slow} for slow in (1, 1, 5, 1, 9)]
    found = ratio(rounds, float, "ours", "theirs")
    assert (found.low, found.median, found.high) == pytest.approx((0.8, 0.8, 0.8))
    assert found.count == 5


def test_quartiles() -> None:
    assert Quartiles.of([4.0, 1.0, 3.0, 2.0, 5.0]) == Quartiles(2.0, 3.0, 4.0, 5)
    assert Quartiles.of([3.0]) == Quartiles(3.0, 3.0, 3.0, 1)
    assert Quartiles.of([0.75, 0.77, 0.79]).shown() == "0.77 × (0.76 to 0.78)"


@pytest.mark.parametrize(
    ("figure", "stated", "here", "verdict"),
    [
        (STEP, 0.77, (0.70, 0.75, 0.80), "confirmed"),
        (STEP, 0.77, (0.76, 0.79, 0.80), "undecided"),
        (STEP, 0.77, (0.78, 0.79, 0.80), "not confirmed"),
        (SERVED, 4.0, (3.9, 4.1, 4.2), "confirmed"),
        (SERVED, 4.0, (3.8, 3.9, 4.1), "undecided"),
        (SERVED, 4.0, (3.7, 3.8, 3.9), "not confirmed"),
    ],
)
def test_a_claim_is_confirmed_by_a_median_as_good(
    figure: str, stated: float, here: tuple[float, float, float], verdict: str
) -> None:
    low, median, high = here
    measured = {"low": low, "median": median, "high": high}
    assert claims.verdict(figure, {"median": stated}, measured | {"others": 0.02}) == verdict
    assert claims.verdict(figure, {"median": stated}, measured | {"others": 0.4}) == "others used 40%"
    assert claims.verdict(figure, {"median": stated}, None) == "not measured"


def test_the_work_of_others_is_what_the_machine_does_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, all_used, own_used = iter([100.0, 110.0]), iter([50.0, 64.0]), iter([5.0, 14.0])
    monkeypatch.setattr(turns.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(turns.psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(turns, "used_by_machine", lambda: next(all_used))
    monkeypatch.setattr(turns, "used_by", lambda processes: next(own_used))
    with OtherWork([1]) as others:
        pass
    assert others.share == pytest.approx((14 - 9) / (2 * 10))


def test_processes_of_a_measurement_are_not_others(tmp_path: Path) -> None:
    with fakes(tmp_path, {"a": ["1"]}) as (contender,):
        assert contender.worker.ask(number=1) == 2.0
        assert 0 < turns.used_by([contender.worker.pid]) <= turns.used_by_machine()


AMX = {"processor": "Fast", "features": ["avx2", "amx_bf16"], "cores": 2}
PLAIN = {"processor": "Plain", "features": ["avx2"], "cores": 4}


def published() -> list[dict]:
    ratios = {STEP: {"median": 0.77, "count": 8}, "time of a step, PyTorch a to PyTorch b": {"median": 1.0, "count": 8}}
    return [{**AMX, "date": "2026-01-01", "ratios": ratios}]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results with what was measured on this machine and on another, and a README beside it."""
    (tmp_path / "published.json").write_text(json.dumps(published()))
    here = {"low": 0.70, "median": 0.74, "high": 0.75, "count": 12}
    calm = {"machine": PLAIN, "others": 0.01}
    records = [{**calm, "ratios": {STEP: here | {"median": 0.2}}}, {**calm, "ratios": {STEP: here}}]
    (tmp_path / "steps.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    elsewhere = {"machine": AMX, "ratios": {SERVED: here}}
    (tmp_path / "serving.jsonl").write_text(json.dumps(elsewhere) + "\n")
    busy = {"machine": PLAIN, "others": 0.5, "ratios": {"peak memory, sftkeras to hugging_face": here}}
    (tmp_path / "memory.jsonl").write_text(json.dumps(busy) + "\n")
    (tmp_path / "workers.jsonl").write_text(json.dumps({"machine": PLAIN, "ratios": [0.7]}) + "\n")
    (tmp_path / "README.md").write_text(f"before\n{claims.BEGIN}\nold\n{claims.END}\nafter\n")
    monkeypatch.setattr(claims, "machine", lambda: PLAIN | {"memory": 1})
    monkeypatch.setattr(claims, "now", lambda: "2026-02-03T04:05:06")
    return tmp_path


def run_claims(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    given = ["claims.py", f"--results={folder}", f"--readme={folder / 'README.md'}", *words]
    monkeypatch.setattr(sys, "argv", given)
    claims.main()


def test_claims_are_printed_with_processor_features_and_date(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_claims(bench, monkeypatch)
    said = capsys.readouterr().out
    assert "Claims of the README on Plain avx2, 4 cores, 2026-02-03:" in said
    assert "0.74 × (0.70 to 0.75)" in said
    _, rows = claims.confirmed(published(), claims.newest_ratios(bench))  # without PyTorch a: no claim of sftkeras
    assert rows == [[STEP, "0.77 ×", "Fast avx2 amx_bf16, 2 cores, 2026-01-01", "0.74 × (0.70 to 0.75)", "confirmed"]]
    assert json.loads((bench / "published.json").read_text()) == published()


def test_publishing_replaces_what_was_known_of_this_kind_of_machine_and_writes_the_table(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = {
        **PLAIN,
        "date": "2026-01-02",
        "ratios": {STEP: {"median": 0.9, "count": 3}, SERVED: {"median": 4, "count": 3}},
    }
    (bench / "published.json").write_text(json.dumps([*published(), older]))
    run_claims(bench, monkeypatch, "--publish")
    first, second, third = json.loads((bench / "published.json").read_text())
    assert first == published()[0]
    assert second == {**older, "ratios": {SERVED: {"median": 4, "count": 3}}}
    assert (third["date"], list(third["ratios"])) == ("2026-02-03", [STEP])
    readme = (bench / "README.md").read_text()
    assert readme.startswith("before\n")
    assert readme.endswith(f"{claims.END}\nafter\n")
    assert f"| {STEP} | 0.74 × (0.70 to 0.75) | 12 | Plain avx2, 4 cores, 2026-02-03 |" in readme
    assert "old" not in readme


def test_the_readmes_table_is_that_of_the_published_results() -> None:
    readme = (BENCHMARKS / "README.md").read_text("utf-8")
    results = json.loads((BENCHMARKS / "results" / "published.json").read_text("utf-8"))
    assert f"{claims.BEGIN}\n{claims.table(results)}\n{claims.END}" in readme
