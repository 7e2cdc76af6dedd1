#!/usr/bin/env python3
"""Precision and recall of suggested owners against a sample's truth, with none of our code.

    measure_suggestions.py SUGGESTIONS.csv RESOURCE_OWNERS.csv

SUGGESTIONS.csv is `OUT/suggestions/<date>.csv` of a daily run over an `apportion sample` bill, RESOURCE_OWNERS.csv the sample's
`truth/resource_owners.csv`. Prints figures for all suggestions, for steps of confidence, and for guessing the account's main owner.
"""
import collections
import csv
import sys
from decimal import Decimal


def main(suggestions_path: str, truth_path: str) -> None:
    with open(truth_path, newline="") as file:
        truth = list(csv.DictReader(file))
    latest = max(row["period"] for row in truth)
    truth = [row for row in truth if row["period"] == latest]
    owner = {(row["account_id"], row["resource_id"]): row["cost_center"] for row in truth}
    with open(suggestions_path, newline="") as file:
        made = list(csv.DictReader(file))

    def is_right(row):
        return owner[row["account_id"], row["resource_id"].removeprefix("'")] == row["suggested_owner"]

    right = [row for row in made if is_right(row)]
    # Every resource of the month counts here, also those without cost in the window.
    unowned = [row for row in truth if row["tagged"] != "yes"]
    print(f"{latest}: {len(made)} suggestions, {len(right)} right: precision {len(right) / len(made):.3f}; "
          f"of {len(unowned)} resources of the month without an owner {len(right) / len(unowned):.3f} found")
    money = sum(Decimal(row["amount"]) for row in made)
    print(f"  by money: {sum(Decimal(row['amount']) for row in right) / money:.3f} of {money:.2f} right")
    for least in (60, 80, 90, 95):
        sure = [row for row in made if Decimal(row["confidence_percent"]) >= least]
        if sure:
            print(f"  at {least} % and more: {len(sure)} suggestions, precision {sum(map(is_right, sure)) / len(sure):.3f}")
    owners = collections.defaultdict(collections.Counter)
    for row in truth:
        if row["tagged"] == "yes":
            owners[row["account_id"]][row["cost_center"]] += 1
    guesses = [row for row in unowned if owners[row["account_id"]]]
    hits = sum(owners[row["account_id"]].most_common(1)[0][0] == row["cost_center"] for row in guesses)
    print(f"  guessing the account's main owner: {hits} of {len(guesses)}, {hits / len(guesses):.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
