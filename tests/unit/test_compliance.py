"""What ``docs/compliance.md`` promises is shown by tests that exist, or it says why not."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "compliance.md").read_text()
LINES = [line for line in re.findall(r"^\| ([^|]+) \| [^|]+ \| (.+) \|$", TEXT, re.MULTILINE) if line[1] != "shown by"]
PARTS = ("GDPR", "CCPA", "PCI DSS", "HIPAA", "SOC 2", "ISO/IEC 27001, annex A")


def test_every_line_names_tests_that_exist_or_says_why_not() -> None:
    wrong = []
    for about, shown in LINES:
        if re.match(r"(not yet|does not apply): \S", shown):
            continue
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
        if not tests or re.sub(r"`[^`]+`|, ", "", shown):
            wrong.append((about, shown))
        for file, name in tests:
            path = ROOT / file
            if not path.is_file() or not re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE):
                wrong.append((about, f"{file}::{name}"))
    assert wrong == []


def test_every_part_is_there_and_no_line_is_lost() -> None:
    assert tuple(re.findall(r"^## (.+)$", TEXT, re.MULTILINE)) == PARTS
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.endswith(" shown by |")]
    assert len(rows) == len(LINES) > 60
