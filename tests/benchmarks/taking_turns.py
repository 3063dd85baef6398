"""A contender that does nothing: it answers each line with its turn's number times a factor, or ends without a word.

Run by test_turns.py: python taking_turns.py LOG FACTOR [the turn in which it dies]. LOG gets a line at each turn.
"""

import json
import sys
from pathlib import Path

log, factor = Path(sys.argv[1]), float(sys.argv[2])
last = int(sys.argv[3]) if len(sys.argv) > 3 else None
for line in sys.stdin:
    number = json.loads(line)["number"]
    if number == last:
        sys.exit("no more memory")
    with log.open("a") as file:
        file.write(f"{factor} ")
    print(json.dumps(factor * (number + 1)), flush=True)
