#!/usr/bin/env python3
"""Makes in the stand-ins what the functions need, and delivers the sample month. Prints the settings that depend on what was made.

Usage: watch_resources.py DIR      (DIR/sample is the sample month; what exists already stays as it is)

Buckets have the versions and locks that Terraform gives them; the table has its keys. Roles, Glue and the machines are Terraform's alone:
`scripts/deploy-local` has them.
"""
import sys
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parent.parent
RELEASE = {"sql": ROOT / "sql", "template": ROOT / "crates/statement-renderer/template", "configuration": ROOT / "config"}


def bucket(s3, name, lock=False):
    if name in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        return
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if lock:
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})


def upload(s3, name, prefix, folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            s3.put_object(Bucket=name, Key=f"{prefix}{path.relative_to(folder)}", Body=path.read_bytes())


def table(dynamodb):
    if "apportion" in dynamodb.list_tables()["TableNames"]:
        return
    dynamodb.create_table(
        TableName="apportion",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )


def signing_key(kms):
    alias = "alias/apportion-signing"
    for one in kms.list_aliases()["Aliases"]:
        if one["AliasName"] == alias:
            return kms.describe_key(KeyId=one["TargetKeyId"])["KeyMetadata"]["Arn"]
    made = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    return made["Arn"]


def main(directory):
    s3 = boto3.client("s3")
    for name, lock in [("apportion-bill", False), ("apportion-work", False), ("apportion-ledger", True), ("apportion-release", False)]:
        bucket(s3, name, lock)
    for name, folder in RELEASE.items():
        upload(s3, "apportion-release", f"release/{name}/", folder)
    upload(s3, "apportion-bill", "", Path(directory) / "sample/bill")
    table(boto3.client("dynamodb"))
    # The stand-in for SES takes mails from every address.
    print(f"APPORTION_SIGNING_KEY={signing_key(boto3.client('kms'))}")


if __name__ == "__main__":
    main(sys.argv[1])
