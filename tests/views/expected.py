#!/usr/bin/env python3
"""What the views give for a CUR 2.0 CSV bill, computed with csv and decimal from the published formulae, with none of our code.

    expected.py BILL.csv.gz      writes expected/<view>.csv beside this file

The bill is the shared `cur2/cur2_plain_final.csv.gz`; organization and units are those of this folder.
"""
import collections
import csv
import gzip
import io
import json
import pathlib
import sys
from decimal import ROUND_HALF_UP, Decimal

HERE = pathlib.Path(__file__).parent
UNITS = {"cc-1001": "CC-1001", "search": "Search", "cc-2002": "Search"}
SUPPORTED = {"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"}


def amount(text):
    return Decimal(text or 0).quantize(Decimal("1e-12"), ROUND_HALF_UP)


def ou_paths():
    organization = json.loads((HERE / "organization.json").read_text())
    units = {unit["Id"]: unit for unit in organization["OrganizationalUnits"]}
    paths = {}
    for account in organization["Accounts"]:
        names, at = [], account["ParentId"]
        while at in units:
            names.insert(0, units[at]["Name"].replace("/", "\u2215"))
            at = units[at]["ParentId"]
        paths[account["Id"]] = "/".join(names)
    return paths


def lines(path):
    paths = ou_paths()
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            kind = row["line_item_line_item_type"]
            assert kind in SUPPORTED and not row["line_item_net_unblended_cost"], kind
            cash = amount(row["line_item_unblended_cost"])
            effective = {
                "Usage": cash,
                "DiscountedUsage": amount(row["reservation_effective_cost"]),
                "SavingsPlanCoveredUsage": amount(row["savings_plan_savings_plan_effective_cost"]),
                "SavingsPlanNegation": amount("0"),
            }[kind]
            is_listed = kind != "SavingsPlanNegation" and row["line_item_operation"] not in ("EKSPod-EC2", "ECSTask-EC2")
            tag = json.loads(row["resource_tags"] or "{}").get("user_cost_center", "").strip()
            tag = tag or json.loads(row["tags"] or "{}").get("resourceTags/CostCenter", "").strip()
            yield {
                "billing_period": row["bill_billing_period_start_date"][:7],
                "usage_day": row["line_item_usage_start_date"][:10],
                "billing_account_id": row["bill_payer_account_id"],
                "account_id": row["line_item_usage_account_id"],
                "account_name": row["line_item_usage_account_name"],
                "side": "payer" if row["line_item_usage_account_id"] in ("", row["bill_payer_account_id"]) else "linked",
                "service": row["line_item_product_code"],
                "region": row["product_region_code"],
                "currency": row["line_item_currency_code"],
                "ou": paths.get(row["line_item_usage_account_id"], "__unknown__"),
                "owner": UNITS.get(tag.lower(), "__unknown__") if tag else "__untagged__",
                "resource": row["line_item_resource_id"],
                "cash": cash,
                "effective": effective,
                "list": amount(row["pricing_public_on_demand_cost"]) if is_listed else amount("0"),
                "is_use": kind != "SavingsPlanNegation",
                "is_untagged": not tag,
                "is_committed": bool(row["reservation_reservation_a_r_n"] or row["savings_plan_savings_plan_a_r_n"]),
            }


def grouped(bill, keys):
    groups = collections.defaultdict(list)
    for line in bill:
        groups[tuple(line[key] for key in keys)].append(line)
    return groups


def total(group, key):
    return sum((line[key] for line in group), Decimal(0)).quantize(Decimal("1e-12"))


def safe(text):
    return "'" + text if text.lstrip("'")[:1] in tuple("=+-@\t\r\0") and text.lstrip("'") else text


def write(name, header, rows, numbers):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([f"{cell:f}" if isinstance(cell, Decimal) else cell if head in numbers else safe(cell)
                         for head, cell in zip(header, row)])
    # newline="": the bytes are compared.
    with open(HERE / "expected" / f"{name}.csv", "w", newline="") as file:
        file.write(out.getvalue())


NUMBERS = {"accounts", "billed", "cash", "committed_rows", "effective", "list", "place", "resources", "rows", "saved", "untagged_rows"}


def plain(name, bill, keys, measures, order):
    rows = []
    for key, group in grouped(bill, keys).items():
        named = dict(zip(keys, key)) | {measure: total(group, measure) for measure in measures} | {"rows": len(group)}
        rows.append(named)
    rows.sort(key=lambda row: [-row[one[1:]] if one[0] == "-" else row[one] for one in order])
    header = keys + measures + ["rows"]
    write(name, header, [[row[head] for head in header] for row in rows], NUMBERS)


def main(path):
    bill = list(lines(path))
    both, three = ["cash", "effective"], ["cash", "effective", "list"]
    plain("spend_by_service", bill, ["billing_period", "service", "currency"], three, ["billing_period", "-effective", "service"])
    plain("spend_by_region", bill, ["billing_period", "region", "currency"], three, ["billing_period", "-effective", "region"])
    plain("spend_by_ou", bill, ["billing_period", "ou", "currency"], both, ["billing_period", "-effective", "ou"])
    plain("trend_by_ou", bill, ["usage_day", "ou", "currency"], both, ["usage_day", "ou"])
    plain("services_by_ou", bill, ["billing_period", "ou", "service", "currency"], both, ["billing_period", "ou", "-effective", "service"])

    accounts = []
    for (period, account, currency), group in grouped(bill, ["billing_period", "account_id", "currency"]).items():
        name = max(line["account_name"] for line in group)
        accounts.append((period, account, name, currency, total(group, "cash"), total(group, "effective"), total(group, "list"),
                         len(group), group[0]["ou"]))
    accounts.sort(key=lambda row: (row[0], -row[5], row[1]))
    header = ["billing_period", "account_id", "account_name", "currency", "cash", "effective", "list", "rows"]
    write("spend_by_account", header, [row[:8] for row in accounts], NUMBERS)

    ranked, places = [], collections.Counter()
    for period, account, name, currency, cash, effective, _, rows, ou in accounts:
        places[period, ou, currency] += 1
        ranked.append((period, ou, currency, places[period, ou, currency], account, name, cash, effective, rows))
    ranked = sorted((row for row in ranked if row[3] <= 10), key=lambda row: row[:4])
    header = ["billing_period", "ou", "currency", "place", "account_id", "account_name", "cash", "effective", "rows"]
    write("top_accounts_by_ou", header, ranked, NUMBERS)

    sides = []
    for (period, payer, side, currency), group in grouped(bill, ["billing_period", "billing_account_id", "side", "currency"]).items():
        sides.append((period, payer, side, currency, len({line["account_id"] for line in group} - {""}), total(group, "cash"),
                      total(group, "effective"), len(group)))
    sides.sort(key=lambda row: (row[0], row[1], row[2] != "payer"))
    header = ["billing_period", "billing_account_id", "side", "currency", "accounts", "cash", "effective", "rows"]
    write("payer_and_linked", header, sides, NUMBERS)

    saved = []
    used = [line for line in bill if line["is_use"] and line["list"] != 0]
    for (period, service, currency), group in grouped(used, ["billing_period", "service", "currency"]).items():
        listed, effective = total(group, "list"), total(group, "effective")
        saved.append((period, service, currency, listed, effective, listed - effective, len(group)))
    saved.sort(key=lambda row: (row[0], -row[5], row[1]))
    header = ["billing_period", "service", "currency", "list", "effective", "saved", "rows"]
    write("discount_efficiency", header, saved, NUMBERS)

    owners = []
    for (day, owner, currency), group in grouped(bill, ["usage_day", "owner", "currency"]).items():
        resources = len({line["resource"] for line in group} - {""})
        owners.append((day, owner, currency, total(group, "cash"), total(group, "effective"), resources, len(group),
                       sum(line["is_untagged"] for line in group), sum(line["is_committed"] for line in group)))
    owners.sort()
    header = ["usage_day", "owner", "currency", "billed", "effective", "resources", "rows", "untagged_rows", "committed_rows"]
    write("daily_by_owner", header, owners, NUMBERS)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
