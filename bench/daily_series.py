#!/usr/bin/env python3
"""Daily spend by owner, OU and service of a sample bill, added up without any of our code.

Usage: daily_series.py SAMPLE_DIR > series.csv      (needs pyarrow)

Prints `day,owner,ou,service,amount`: effective cost of lines by the UTC day on which their usage starts, without tax, credit and
refund. The owner is the cost center of the tags, `__untagged__` or `__unknown__`; the OU its path in the organization file.
"""
import csv
import glob
import json
import re
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as parquet

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import check_sample  # noqa: E402

LEFT_OUT = {"Tax", "Credit", "Refund"}


def paths(organization):
    """Account id -> OU names from the root."""
    units = {unit["Id"]: unit for unit in organization["OrganizationalUnits"]}
    found = {}
    for account in organization["Accounts"]:
        names, at = [], account["ParentId"]
        while at in units:
            names.insert(0, units[at]["Name"])
            at = units[at]["ParentId"]
        found[account["Id"]] = "/".join(names)
    return found


def owner(tags, known):
    values = (tags.get(key) or "" for key in check_sample.KEYS)
    value = next((value.strip() for value in values if value.strip()), "")
    if not value:
        return "__untagged__"
    digits = re.fullmatch(r"(?:cc-?)?(\d{4})", value, re.IGNORECASE)
    unit = f"CC-{digits.group(1)}" if digits else value
    return unit if unit in known else "__unknown__"


def main(folder):
    with open(f"{folder}/organization.json", encoding="utf-8") as file:
        ou = paths(json.load(file))
    with open(f"{folder}/truth/units.csv", encoding="utf-8") as file:
        known = {row["cost_center"] for row in csv.DictReader(file)}
    columns = check_sample.AMOUNTS + check_sample.TEXTS + ["line_item_usage_start_date", "line_item_product_code"]
    sums = defaultdict(Decimal)
    for path in sorted(glob.glob(f"{folder}/bill/*/*/data/*/*.parquet")):
        table = parquet.read_table(path, columns=columns)
        lists = {name: table.column(name).to_pylist() for name in columns}
        for row in range(table.num_rows):
            line = {name: lists[name][row] for name in columns}
            if line["line_item_line_item_type"] in LEFT_OUT:
                continue
            line.update({name: check_sample.exact(line[name]) for name in check_sample.AMOUNTS})
            effective = check_sample.measures(line)[0]
            if not effective:
                continue
            account = line["line_item_usage_account_id"]
            day = str(line["line_item_usage_start_date"])[:10]
            who = owner(dict(line["resource_tags"] or ()), known)
            sums[day, who, ou.get(account, "__unknown__"), line["line_item_product_code"]] += effective
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["day", "owner", "ou", "service", "amount"])
    for key in sorted(sums):
        out.writerow([*key, f"{sums[key]:.12f}"])


if __name__ == "__main__":
    main(sys.argv[1])
