#!/usr/bin/env python3
"""The parts of `scripts/test-watch` that look into the stand-ins, by boto3.

Usage: check_watch.py beyond DIR              makes DIR/beyond.json: the invoices, the largest beyond its tolerance
       check_watch.py break DIR               delivers broken/bill.parquet, the first bytes of a file of the bill
       check_watch.py mails DIR SUBJECT …     the stand-in for SES has one notice for each end of a subject, and no other mail
       check_watch.py ask DIR URL             a machine that waits, the gate asked at URL to have it approved, as alice started it
       check_watch.py answered DIR BY         that machine went on, approved by BY
       check_watch.py same DIR BUCKET         the close in a bucket is that of DIR/here; in the ledger's, its signature is that of KMS
"""
import email
import json
import os
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal
from email import policy
from pathlib import Path

import boto3

# What names the run that made the close, and how it is signed: the rest must be the same bytes.
OF_THE_RUN = {"manifest.json", "SHA256SUMS", "CHECKPOINT", "CHECKPOINT.sig"}
s3 = boto3.client("s3")


def damage(folder):
    bill = next(path for path in sorted((folder / "watch/sample/bill").rglob("*.parquet")))
    s3.put_object(Bucket="apportion-bill", Key="broken/bill.parquet", Body=bill.read_bytes()[:1000])


def beyond(folder):
    invoices = json.loads((folder / "watch/sample/invoices.json").read_text())
    amount = max((one["BaseCurrencyAmount"] for one in invoices["InvoiceSummaries"]), key=lambda one: Decimal(one["TotalAmount"]))
    amount["TotalAmount"] = str(Decimal(amount["TotalAmount"]) + Decimal("1.01"))
    (folder / "beyond.json").write_text(json.dumps(invoices))


def mails(ends):
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL_SESV2"] + "/store") as answer:
        subjects = [one["subject"] for one in json.load(answer)["emails"]]
    wrong = [end for end in ends if sum(subject.endswith(end) for subject in subjects) != 1]
    if wrong or len(subjects) != len(ends):
        sys.exit(f"mails: {subjects}, wanted one for each of {ends}")
    kept = [one["Key"] for one in s3.list_objects_v2(Bucket="apportion-work", Prefix="outbox/")["Contents"] if one["Key"].endswith(".eml")]
    for key in kept:
        message = email.message_from_bytes(s3.get_object(Bucket="apportion-work", Key=key)["Body"].read(), policy=policy.default)
        if "Nothing was published." not in " ".join(message.get_body(("plain",)).get_content().split()):
            sys.exit(f"{key} does not say that nothing was published")


RUN = "2026-09-0123456789ab-1"


def ask(url):
    machine = boto3.client("stepfunctions")
    activity = machine.create_activity(name="question")["activityArn"]
    states = {"Ask": {"Type": "Task", "Resource": activity, "TimeoutSeconds": 300, "End": True}}
    definition = json.dumps({"StartAt": "Ask", "States": states})
    role = "arn:aws:iam::123456789012:role/any"
    arn = machine.create_state_machine(name="question", definition=definition, roleArn=role)["stateMachineArn"]
    machine.start_execution(stateMachineArn=arn, name=RUN, input="{}")
    token = machine.get_activity_task(activityArn=activity)["taskToken"]
    run = {"period": "2026-09", "staging": f"staging/2026-09/{RUN}/", "bill": "", "configuration": "", "template": None, "organization": None}
    run |= {"invoices": None, "provisional": False, "closes": "", "currency": "", "attempt": 1}
    event = {"action": "ask_approval", "run": run, "started_by": "alice", "token": token}
    request = urllib.request.Request(f"{url}/2015-03-31/functions/reconciliation-gate/invocations", json.dumps(event).encode())
    if json.load(urllib.request.urlopen(request)) != {"run": RUN}:
        sys.exit("the gate did not ask")
    offered = json.dumps({"status": "started", "of": "2026-09", "execution": RUN, "why": []})
    item = {"pk": {"S": "GATE#2026-09"}, "sk": {"S": "offer"}, "offered": {"S": offered}}
    boto3.client("dynamodb").put_item(TableName="apportion", Item=item)


def answered(by):
    machine = boto3.client("stepfunctions")
    arn = f"arn:aws:states:us-east-1:123456789012:execution:question:{RUN}"
    for _ in range(50):
        ended = machine.describe_execution(executionArn=arn)
        if ended["status"] != "RUNNING":
            break
        time.sleep(0.2)
    if ended["status"] != "SUCCEEDED" or json.loads(ended["output"]) != {"approved_by": by}:
        sys.exit(f"the machine ended as {ended['status']}: {ended.get('output')}")


def same(folder, bucket):
    there = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="closes/"):
        for one in page.get("Contents", []):
            there[one["Key"]] = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
    root = folder / "here"
    here = {str(path.relative_to(root)): path.read_bytes() for path in (root / "closes").rglob("*") if path.is_file()}
    other = sorted(there.keys() ^ here.keys())
    differ = [key for key in sorted(there.keys() & here.keys()) if there[key] != here[key] and Path(key).name not in OF_THE_RUN]
    if other or differ:
        sys.exit(f"only in one: {other[:9]}; other bytes: {differ[:9]}")
    equal = sum(Path(key).name not in OF_THE_RUN for key in here)
    print(f"{bucket}: {equal} files byte for byte the same ({sum(len(body) for body in here.values())} bytes)")
    if bucket != "apportion-ledger":
        return
    close = f"closes/2026-09/{there['closes/2026-09/CURRENT'].decode().strip()}"
    der = boto3.client("kms").get_public_key(KeyId=os.environ["APPORTION_SIGNING_KEY"])["PublicKey"]
    for name, content in [("key.der", der), ("checkpoint", there[f"{close}/CHECKPOINT"]), ("signature", there[f"{close}/CHECKPOINT.sig"])]:
        (folder / name).write_bytes(content)
    pem = subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", folder / "key.der"], capture_output=True, check=True)
    (folder / "key.pem").write_bytes(pem.stdout)
    verify = ["openssl", "dgst", "-sha256", "-verify", folder / "key.pem", "-signature", folder / "signature", folder / "checkpoint"]
    subprocess.run(verify, check=True)


if __name__ == "__main__":
    if sys.argv[1] == "beyond":
        beyond(Path(sys.argv[2]))
    elif sys.argv[1] == "break":
        damage(Path(sys.argv[2]))
    elif sys.argv[1] == "ask":
        ask(sys.argv[3])
    elif sys.argv[1] == "answered":
        answered(sys.argv[3])
    elif sys.argv[1] == "mails":
        mails(sys.argv[3:])
    else:
        same(Path(sys.argv[2]), sys.argv[3])
