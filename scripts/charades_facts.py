"""Counts what is in Charades' annotation files: python scripts/charades_facts.py Charades_v1_train.csv Charades_v1_test.csv

The official files must give 530,129 positives in train and 175,341 in test, 705,470 together.
"""

import sys
from dataclasses import asdict

from components.ingestion.several import facts_of

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    total = 0
    for path in sys.argv[1:]:
        facts, positives = facts_of(path)
        total += positives
        print(f"{path}: {positives:,} positives at the 25 points")
        for name, value in asdict(facts).items():
            print(f"    {name.replace('_', ' '):28} {value:,}")
    print(f"together: {total:,} positives")
