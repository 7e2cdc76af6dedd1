#!/usr/bin/env python3
"""Adds up a sample bill without any of our code and compares with its truth/.

Usage: check_sample.py SAMPLE_DIR      (needs pyarrow; exit 0 when all agrees, 1 when not)

A double is read by its shortest decimal text, rounded half up at 12 digits, and added as a decimal. Checked per period: totals
by invoice and by line type, effective + true-up + upfront = unblended per commitment, covered + negation = 0 per plan and
account, usage without a cost center. The formulae are those of docs/reconciliation.md, typed in again here.
"""
import decimal
import glob
import json
import sys
from collections import defaultdict
from decimal import Decimal

import pyarrow.parquet as parquet

decimal.getcontext().prec = 60
PLACES = Decimal("1e-12")
KEYS = ("user_cost_center", "user_costcenter", "user_cost_centre")
RESERVATION, PLAN = "reservation_reservation_a_r_n", "savings_plan_savings_plan_a_r_n"
EFFECTIVE = {
    "DiscountedUsage": "reservation_effective_cost",
    "SavingsPlanCoveredUsage": "savings_plan_savings_plan_effective_cost",
}
AMOUNTS = [
    "line_item_unblended_cost",
    *EFFECTIVE.values(),
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "reservation_amortized_upfront_fee_for_billing_period",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
]
TEXTS = [
    "bill_invoice_id",
    "bill_billing_entity",
    "line_item_line_item_type",
    "line_item_line_item_description",
    "line_item_usage_account_id",
    RESERVATION,
    PLAN,
    "resource_tags",
]


def exact(value):
    if value is None:
        return Decimal(0)
    return Decimal(repr(value)).quantize(PLACES, rounding=decimal.ROUND_HALF_UP)


def measures(line):
    """Effective cost, true-up, upfront fee."""
    kind, cash = line["line_item_line_item_type"], line["line_item_unblended_cost"]
    if kind in EFFECTIVE:
        return line[EFFECTIVE[kind]], 0, 0
    if kind == "SavingsPlanNegation":
        return Decimal(0), 0, 0
    if kind == "RIFee":
        unused = line["reservation_unused_amortized_upfront_fee_for_billing_period"] + line["reservation_unused_recurring_fee"]
        return unused, -line["reservation_amortized_upfront_fee_for_billing_period"], 0
    if kind == "SavingsPlanRecurringFee":
        unused = line["savings_plan_total_commitment_to_date"] - line["savings_plan_used_commitment"]
        return unused, -line["savings_plan_amortized_upfront_commitment_for_billing_period"], 0
    returned = kind == "Refund" and line["line_item_line_item_description"].startswith("Refund for one-time fee for Savings Plan ID")
    if kind == "SavingsPlanUpfrontFee" or returned or (kind == "Fee" and line[RESERVATION]):
        return Decimal(0), 0, cash
    return cash, 0, 0


def lines(folder, period):
    for path in sorted(glob.glob(f"{folder}/bill/*/*/data/BILLING_PERIOD={period}/*.parquet")):
        table = parquet.read_table(path, columns=AMOUNTS + TEXTS)
        columns = {name: table.column(name).to_pylist() for name in AMOUNTS + TEXTS}
        for row in range(table.num_rows):
            line = {name: exact(columns[name][row]) for name in AMOUNTS}
            line.update({name: columns[name][row] for name in TEXTS})
            yield line


def check(folder, period):
    name = period["period"]
    wrong = []
    by = {"by_invoice": defaultdict(lambda: [0, Decimal(0), Decimal(0)]), "by_line_type": defaultdict(lambda: [0, Decimal(0), Decimal(0)])}
    bridge, offset, usage, untagged = defaultdict(Decimal), defaultdict(Decimal), Decimal(0), Decimal(0)
    for line in lines(folder, name):
        kind, cash = line["line_item_line_item_type"], line["line_item_unblended_cost"]
        effective, true_up, upfront = measures(line)
        for sums, key in ((by["by_invoice"], line["bill_invoice_id"]), (by["by_line_type"], kind)):
            sum_of = sums[key]
            sum_of[0] += 1
            sum_of[1] += cash
            sum_of[2] += effective
        if line[RESERVATION] or line[PLAN]:
            bridge[line[RESERVATION] or line[PLAN]] += effective + true_up + upfront - cash
        if kind in ("SavingsPlanCoveredUsage", "SavingsPlanNegation"):
            offset[line[PLAN], line["line_item_usage_account_id"]] += cash
        if kind in ("Usage", "SavingsPlanCoveredUsage", "DiscountedUsage") and line["bill_billing_entity"] == "AWS":
            usage += effective
            tags = dict(line["resource_tags"])
            if not any((tags.get(key) or "").strip() for key in KEYS):
                untagged += effective
    for part, sums in by.items():
        expected = {key: [one["rows"], Decimal(one["unblended"]), Decimal(one["effective"])] for key, one in period[part].items()}
        if expected != dict(sums):
            wrong.append(f"{part}: truth {expected}, bill {dict(sums)}")
    wrong += [f"bridge of {arn} is off by {gap}" for arn, gap in bridge.items() if gap]
    wrong += [f"covered and negation of {key} leave {gap}" for key, gap in offset.items() if gap]
    known = period["usage_effective"]
    if (usage, untagged) != (Decimal(known["all"]), Decimal(known["without_cost_center"])):
        wrong.append(f"usage {usage}, untagged {untagged}, truth {known}")
    rows, cash, effective = (sum(one[index] for one in by["by_line_type"].values()) for index in range(3))
    print(f"{name}: {rows} lines, unblended {cash}, effective {effective}, untagged {untagged / usage:.4f}: {'agrees' if not wrong else 'DIFFERS'}")
    for text in wrong:
        print(f"  {text}")
    return not wrong


if __name__ == "__main__":
    with open(f"{sys.argv[1]}/truth/totals.json", encoding="utf-8") as file:
        periods = json.load(file)["periods"]
    sys.exit(0 if all([check(sys.argv[1], period) for period in periods]) else 1)
