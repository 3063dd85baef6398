"""Checks the README's claims on this machine, by the newest results of its benchmarks.

    python benchmarks/claims.py                # prints them; `make bench` ends with it
    python benchmarks/claims.py --publish      # adds this machine's ratios to results/published.json, and to the README

The claims are the ratios of sftkeras in results/published.json, of which the table in README.md is made. One is
confirmed if this machine's median is as good or better, undecided if it is worse but the claim lies between the
quartiles, and not confirmed otherwise. Another kind of processor may well differ: both are named. Where other processes
used more than a twentieth of the processor, nothing is confirmed, and nothing published.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import HERE
from records import Rows, machine, markdown, now, show
from turns import Quartiles

BEGIN, END = "<!-- made by claims.py -->", "<!-- end -->"
MOST_OTHERS = 0.05  # of the processor's time, used by others during a measurement
MORE_IS_BETTER = ("texts/s",)  # how such figures begin; of all others less is better


def main() -> None:
    """Prints the claims, and publishes this machine's results if that is wanted."""
    settings = arguments()
    file = settings.results / "published.json"
    published = json.loads(file.read_text(encoding="utf-8"))
    measured = newest_ratios(settings.results)
    here = {**kind(machine()), "date": now()[:10], "ratios": publishable(measured)}
    show(f"Claims of the README on {named(here)}:", [confirmed(published, measured)])
    if settings.publish:
        published = merged(published, here)
        file.write_text(json.dumps(published, indent=2) + "\n", encoding="utf-8")
        write_table(settings.readme, published)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the benchmarks' records")
    parser.add_argument("--publish", action="store_true", help="run it on an idle machine only")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md", help="has the table")
    return parser.parse_args()


def newest_ratios(folder: Path) -> dict[str, Any]:
    """The ratios of the newest records of this kind of machine, each with the processor share of other processes."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.jsonl")):
        record = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        ratios = record.get("ratios", {})
        if isinstance(ratios, dict) and kind(record["machine"]) == kind(machine()):
            found |= {figure: {**ratio, "others": record["others"]} for figure, ratio in ratios.items()}
    return found


def publishable(measured: dict[str, Any]) -> dict[str, Any]:
    """The ratios that were measured while little else ran."""
    names = ("low", "median", "high", "count")
    calm = {figure: ratio for figure, ratio in measured.items() if ratio["others"] <= MOST_OTHERS}
    return {figure: {name: ratio[name] for name in names} for figure, ratio in calm.items()}


def kind(at: dict[str, Any]) -> dict[str, Any]:
    """The facts of a machine on which a ratio depends."""
    return {name: at.get(name) for name in ("processor", "features", "cores")}


def named(one: dict[str, Any]) -> str:
    """A processor with its instructions and cores, and the date."""
    return f"{' '.join([one['processor'], *one['features']])}, {one['cores']} cores, {one['date']}"


def confirmed(published: list[dict[str, Any]], measured: dict[str, Any]) -> Rows:
    """Each claim with what this machine says of it."""
    columns = ["claim", "stated", "on", "this machine", ""]
    rows = [
        [figure, shown(stated), named(one), shown(measured.get(figure)), verdict(figure, stated, measured.get(figure))]
        for one, figure, stated in each_ratio(published)
        if figure.partition(", ")[2].startswith("sftkeras")
    ]
    return columns, rows


def each_ratio(published: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Processor, figure and ratio."""
    for one in published:
        for figure, stated in one["ratios"].items():
            yield one, figure, stated


def verdict(figure: str, stated: dict[str, Any], here: dict[str, Any] | None) -> str:
    """Whether a machine's ratio confirms a stated one."""
    if here is None:
        return "not measured"
    if here["others"] > MOST_OTHERS:
        return f"others used {here['others']:.0%}"
    sign = 1 if figure.startswith(MORE_IS_BETTER) else -1
    if sign * (here["median"] - stated["median"]) >= 0:
        return "confirmed"
    return "undecided" if here["low"] <= stated["median"] <= here["high"] else "not confirmed"


def shown(ratio: dict[str, Any] | None) -> str:
    """The median, with the quartiles where they are known."""
    if ratio is None:
        return "-"
    if "low" not in ratio:
        return f"{ratio['median']:.2f} ×"
    return Quartiles(*(ratio[name] for name in ("low", "median", "high", "count"))).shown()


def merged(published: list[dict[str, Any]], here: dict[str, Any]) -> list[dict[str, Any]]:
    """The published records; this machine's new ratios replace the older ones of its kind."""
    kept = [one if kind(one) != kind(here) else without(one, here["ratios"]) for one in published]
    return [one for one in [*kept, here] if one["ratios"]]


def without(one: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """A record without these figures."""
    return {**one, "ratios": {figure: ratio for figure, ratio in one["ratios"].items() if figure not in figures}}


def table(published: list[dict[str, Any]]) -> str:
    """The README's table."""
    rows = [[figure, shown(stated), str(stated["count"]), named(one)] for one, figure, stated in each_ratio(published)]
    return markdown((["ratio of", "median (quartiles)", "rounds", "on"], rows))


def write_table(readme: Path, published: list[dict[str, Any]]) -> None:
    """Puts the table into the README, between its marks."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{table(published)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
