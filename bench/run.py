"""Called by bench/run: makes the sample, times each program in a process of its own, prints a table and writes JSON."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path("target/bench")
BIN = pathlib.Path(os.environ.get("BENCH_BIN", "target/release"))
ROWS = int(os.environ.get("BENCH_ROWS", "20000000"))
PERIOD = "2026-09"
UNITS = int(os.environ.get("BENCH_UNITS", "10000"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))


def measured(command, **more):
    """Runs a command; seconds of wall clock and of processors, peak memory in MB and its output."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command[:3]))} … ended with status {os.waitstatus_to_exitcode(status)}\n{output[-2000:]}")
    seconds, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu": cpu, "memory_mb": usage.ru_maxrss / 1024, "output": output}


def best(command):
    """The cheapest of some runs: what the program takes when nothing else runs."""
    return min((measured(command) for _ in range(REPEATS)), key=lambda run: run["cpu"])


def sample():
    """The bill's folder; the sample company's, unless the environment names one."""
    if "BENCH_BILL" in os.environ:
        return pathlib.Path(os.environ["BENCH_BILL"]), None
    folder = ROOT / f"sample-{ROWS}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        made = measured([BIN / "apportion", "sample", "--rows", str(ROWS), "--period", PERIOD, "--out", folder])
        (folder / "done").write_text("")
        print(f"sample of {ROWS} lines: {made['seconds']:.1f} s, {made['memory_mb']:.0f} MB", file=sys.stderr)
    return folder / "bill", folder


def close(bill, folder):
    """A whole close of the sample."""
    work = ROOT / "close"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree("config", work / "config")
    shutil.copytree(folder / "drivers", work / "config/drivers", dirs_exist_ok=True)
    command = [BIN / "apportion", "close", "--period", PERIOD, "--bill", bill, "--config", work / "config", "--org",
               folder / "organization.json", "--invoices", folder / "invoices.json", "--out", work / "out"]
    return measured(command, env={**os.environ, "APPORTION_KEY_DIR": str(work / "keys")})


def many_units(count):
    """A close of a bill with that many owners, each a unit with its own statement."""
    work = ROOT / "units"
    shutil.rmtree(work, ignore_errors=True)
    (work / "bill").mkdir(parents=True)
    header = ("ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ServiceName,"
              "SubAccountId,BilledCost,EffectiveCost,Tags")
    with open(work / "bill/bill.csv", "w") as file:
        print(header, file=file)
        for line in range(count * 10):
            owner = "{}" if line % 50 == 0 else '{""CostCenter"":""CC-%05d""}' % (line % count)
            cost = f"{line % 997}.{line % 89:02}"
            print(f'AWS,AWS,INV-1,100000000001,USD,{PERIOD}-01T00:00:00Z,Usage,Service{line % 7},1000000{line % 500:05},{cost},{cost},"{owner}"',
                  file=file)
    measured([BIN / "apportion", "init", "--bill", work / "bill", "--out", work / "config"])
    command = [BIN / "apportion", "close", "--period", PERIOD, "--bill", work / "bill", "--config", work / "config", "--out", work / "out"]
    run = measured(command, env={**os.environ, "APPORTION_KEY_DIR": str(work / "keys")})
    current = (work / f"out/closes/{PERIOD}/CURRENT").read_text().strip()
    run["units"] = len(list((work / f"out/closes/{PERIOD}/{current}/statements").glob("*/statement.pdf")))
    return run


DUCKDB = """
import duckdb, json, sys, time
sql, files, missing, threads = json.load(sys.stdin)
started = time.monotonic()
connection = duckdb.connect()
connection.execute(f"set threads = {threads}; set enable_progress_bar = false")
names = ", ".join("'" + name + "'" for name in files)
nulls = "".join(f", null::{kind} as {name}" for name, kind in missing)
connection.execute(f"create view bill as select *{nulls} from read_parquet([{names}])")
rows = connection.execute(sql).fetchall()
print(json.dumps({"seconds": time.monotonic() - started, "groups": len(rows)}))
"""


def duckdb(files):
    """The same SQL in DuckDB, where `element_at` is called `map_extract_value` and absent columns are NULL."""
    sql = subprocess.run([BIN / "examples/rollup_bench", "sql", *files], check=True, text=True, capture_output=True).stdout
    read = subprocess.run([BIN / "examples/rollup_bench", "columns", *files], check=True, text=True, capture_output=True).stdout
    import duckdb as library

    there = {row[0].lower() for row in library.sql(f"describe select * from read_parquet('{files[0]}')").fetchall()}
    kind = lambda name: "double" if re.search("cost|fee|commitment", name) else "varchar"
    missing = [(name, kind(name)) for name in read.split() if name.lower() not in there]
    given = json.dumps([sql.replace("element_at(", "map_extract_value("), [str(file) for file in files], missing, os.cpu_count()])
    runs = []
    for _ in range(REPEATS):
        with open(ROOT / "duckdb.json", "w+") as pipe:
            pipe.write(given)
            pipe.seek(0)
            run = measured([sys.executable, "-c", DUCKDB], stdin=pipe)
        run.update(json.loads(run["output"].strip().splitlines()[-1]))
        runs.append(run)
    return min(runs, key=lambda run: run["cpu"])


def main():
    ROOT.mkdir(parents=True, exist_ok=True)
    bill, folder = sample()
    files = sorted(bill.rglob("*.parquet"))
    report = {"files": len(files), "bytes": sum(file.stat().st_size for file in files), "cores": os.cpu_count()}
    for name in ["decode", "decode_ids", "kinds", "rollup", "line_by_line"]:
        run = best([BIN / "examples/rollup_bench", name, *files])
        report[name] = {**json.loads(run["output"]), "cpu": round(run["cpu"], 2), "memory_mb": round(run["memory_mb"])}
    run = duckdb(files)
    report["duckdb"] = {
        "seconds": round(run["seconds"], 3), "cpu": round(run["cpu"], 2), "groups": run["groups"], "memory_mb": round(run["memory_mb"]),
    }
    if folder:
        run = close(bill, folder)
        report["close"] = {"seconds": round(run["seconds"], 1), "cpu": round(run["cpu"], 1), "memory_mb": round(run["memory_mb"])}
    run = many_units(UNITS)
    report["units"] = {
        "seconds": round(run["seconds"], 1), "cpu": round(run["cpu"], 1), "memory_mb": round(run["memory_mb"]), "statements": run["units"],
    }
    for other in ["decode", "duckdb"]:
        ratio = lambda unit: round(report["rollup"][unit] / report[other][unit], 2)
        report[f"rollup_to_{other}"] = {"seconds": ratio("seconds"), "cpu": ratio("cpu")}
    (ROOT / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"{report['rollup']['rows']:,} lines in {len(files)} files, {report['bytes'] / 1e6:,.0f} MB, {report['cores']} cores")
    for name in ["decode", "decode_ids", "kinds", "rollup", "line_by_line", "duckdb", "close", "units"]:
        if name in report:
            run = report[name]
            print(f"{name:12} {run['seconds']:8.2f} s {run['cpu']:8.2f} s of processors {run['memory_mb']:8,} MB")
    print(f"units: {report['units']['statements']:,} statements in one close of {UNITS * 10:,} lines")
    print(f"rollup / bare decode {report['rollup_to_decode']}   rollup / DuckDB {report['rollup_to_duckdb']}")


main()
