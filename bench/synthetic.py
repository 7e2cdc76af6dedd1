"""Writes CUR 2.0 Parquet files of random lines: python synthetic.py DIRECTORY ROWS [ROWS_PER_FILE]

Hard on purpose: 30,000 resources whose owners, accounts, services and tags are drawn apart, and lines that come in no order, so
that a rollup has as many groups as a large company's. `apportion sample` writes what a bill looks like.
"""

import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def text(rng, n, values, weights=None, nulls=0.0):
    index = rng.choice(len(values), n, p=weights).astype(np.int32)
    mask = rng.random(n) < nulls if nulls else None
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=mask), pa.array(values)).cast(pa.string())


def money(rng, n, nulls=0.0):
    value = np.round(rng.gamma(0.4, 0.3, n), 10)
    ragged = rng.random(n) < 0.1
    value[ragged] = value[ragged] * 1.0000001234567
    return pa.array(value, mask=rng.random(n) < nulls if nulls else None)


def tags(rng, n):
    keys = ["user_cost_center", "user_costcenter", "user_environment", "user_env", "user_application", "user_business_unit",
            "user_team", "user_owner", "user_name"]
    values = [[f"CC-{1010 + 10 * i}" for i in range(15)] + ["cc-1010", " CC-1010", "CC1010", "CC-9999"]]
    values += [values[0], ["prod", "Prod", "PROD", "dev", "test"], ["prod", "dev"], [f"app-{i}" for i in range(40)],
               ["Claims", "Analytics", "Member Services", "Provider Network"], [f"team-{i}" for i in range(25)],
               [f"person-{i}@example.com" for i in range(25)], [f"resource-name-{i}" for i in range(5000)]]
    share = [0.85, 0.05, 0.8, 0.1, 0.9, 0.7, 0.6, 0.2, 0.5]
    there = np.stack([rng.random(n) < s for s in share], axis=1)
    there[rng.random(n) < 0.06] = False
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    which = np.nonzero(there)[1]
    starts = np.concatenate([[0], np.cumsum([len(v) for v in values])])[:-1]
    pick = (rng.random(len(which)) * np.array([len(v) for v in values])[which]).astype(np.int32)
    every = pa.array([v for vs in values for v in vs])
    items = every.take(pa.array(starts[which] + pick))
    return pa.MapArray.from_arrays(pa.array(offsets), pa.array(keys).take(pa.array(which.astype(np.int32))), items)


RESOURCES = 30_000


def resources():
    """What stays with a resource: account, service, region, tags. The same for every file."""
    rng = np.random.default_rng(7)
    accounts = [f"1000000000{i:02}" for i in range(1, 41)]
    services = ["AmazonEC2", "AmazonS3", "AmazonRDS", "AWSLambda", "AmazonCloudWatch", "AmazonDynamoDB", "AmazonVPC", "AWSELB",
                "AmazonEKS", "AmazonECS", "AmazonRoute53", "AWSDataTransfer", "awskms", "AmazonSNS", "AWSQueueService"]
    return {
        "bill_invoice_id": text(rng, RESOURCES, ["1846237719", "1846237720", "1846237721"], [0.9, 0.05, 0.05]),
        "line_item_usage_account_id": text(rng, RESOURCES, accounts),
        "line_item_product_code": text(rng, RESOURCES, services),
        "line_item_resource_id": pa.array([f"i-{i:017x}" for i in range(RESOURCES)]),
        "product_region_code": text(rng, RESOURCES, ["us-east-1", "us-west-2", "eu-west-1"], nulls=0.05),
        "resource_tags": tags(rng, RESOURCES),
    }


def lines(rng, n):
    kinds = ["Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "DiscountedUsage", "Tax", "Credit", "Fee", "RIFee",
             "SavingsPlanRecurringFee", "EdpDiscount", "Refund"]
    weights = [0.8, 0.05, 0.05, 0.05, 0.02, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005]
    month = np.datetime64("2026-09-01T00:00:00", "ms")
    hours = np.sort(rng.integers(0, 720, n))
    arns = [f"arn:aws:ec2:us-east-1:100000000001:reserved-instances/{i:032x}" for i in range(20)]
    plans = [f"arn:aws:savingsplans::100000000001:savingsplan/{i:032x}" for i in range(10)]
    some = {
        "identity_line_item_id": pa.array([f"{i:016x}" for i in range(n)]),
        "bill_bill_type": text(rng, n, ["Anniversary"]),
        "bill_billing_entity": text(rng, n, ["AWS"]),
        "bill_invoicing_entity": text(rng, n, ["Amazon Web Services, Inc."]),
        "bill_payer_account_id": text(rng, n, ["100000000001"]),
        "bill_payer_account_name": text(rng, n, ["meridian-payer"]),
        "bill_billing_period_start_date": pa.array(np.full(n, month)),
        "line_item_usage_account_name": text(rng, n, ["claims-intake-prod"]),
        "line_item_line_item_type": text(rng, n, kinds, weights),
        "line_item_usage_start_date": pa.array(month + hours * np.timedelta64(3600000, "ms")),
        "line_item_operation": text(rng, n, [f"Operation{i}" for i in range(200)]),
        "line_item_usage_type": text(rng, n, [f"USE1-Usage:type.{i}" for i in range(800)]),
        "line_item_line_item_description": text(rng, n, [f"$0.0{i} per On Demand Linux instance hour of kind {i}" for i in range(3000)]),
        "line_item_currency_code": text(rng, n, ["USD"]),
        "line_item_unblended_cost": money(rng, n),
        "line_item_net_unblended_cost": money(rng, n, 0.5),
        "pricing_public_on_demand_cost": money(rng, n, 0.1),
        "reservation_reservation_a_r_n": text(rng, n, arns, nulls=0.94),
        "savings_plan_savings_plan_a_r_n": text(rng, n, plans, nulls=0.89),
    }
    rare = ["reservation_effective_cost", "reservation_net_effective_cost",
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            "reservation_net_unused_amortized_upfront_fee_for_billing_period", "reservation_unused_recurring_fee",
            "reservation_net_unused_recurring_fee", "reservation_amortized_upfront_fee_for_billing_period",
            "reservation_net_amortized_upfront_fee_for_billing_period", "savings_plan_savings_plan_effective_cost",
            "savings_plan_net_savings_plan_effective_cost", "savings_plan_total_commitment_to_date", "savings_plan_used_commitment",
            "savings_plan_amortized_upfront_commitment_for_billing_period",
            "savings_plan_net_amortized_upfront_commitment_for_billing_period"]
    for name in rare:
        some[name] = money(rng, n, 0.95)
    which = pa.array(rng.integers(0, RESOURCES, n).astype(np.int32))
    some.update({name: values.take(which) for name, values in FIXED.items()})
    return pa.table(some)


FIXED = resources()


def main():
    directory, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    per_file = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20260901)
    for part in range(0, rows, per_file):
        table = lines(rng, min(per_file, rows - part))
        path = directory / f"bill-{part // per_file + 1:05}.snappy.parquet"
        pq.write_table(table, path, row_group_size=250_000, compression="snappy")
        print(path, table.num_rows, flush=True)


main()
