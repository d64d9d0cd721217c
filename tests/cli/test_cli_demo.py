"""`trunkline demo --headless --json`: the whole product in one command, with the books checked."""

import json
import subprocess
from pathlib import Path

from company import TRUNKLINE


def test_the_demo_plays_calls_and_its_books_balance(tmp_path: Path) -> None:
    command = [TRUNKLINE, "demo", "--headless", "--calls", "20", "--json", "--customers", "500", "--port", "0"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    report = json.loads(ran.stdout)
    assert set(report) == {
        "calls", "popped", "matched", "logged", "duplicates", "lost", "pop_ms", "seconds",
    }  # fmt: skip
    assert (report["calls"], report["popped"], report["duplicates"], report["lost"]) == (20, 20, 0, 0)
    assert 0 < report["logged"] <= report["matched"] <= 20
    assert set(report["pop_ms"]) == {"p50", "p95", "p99"}
    assert 0 < report["pop_ms"]["p50"] <= report["pop_ms"]["p95"] <= report["pop_ms"]["p99"]
    assert "Traceback" not in ran.stderr
