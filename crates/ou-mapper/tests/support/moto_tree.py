#!/usr/bin/env python3
"""Makes an organization in a moto server and writes it down as an organization file: moto_tree.py URL FILE.

Five levels deep, one level with more than a page of OUs, 60 accounts: in the root (more than a page), in the deepest OU, and about.
"""
import json
import sys

import boto3

url, path = sys.argv[1:]
client = boto3.client("organizations", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test",
                      aws_secret_access_key="test")
client.create_organization(FeatureSet="ALL")
root = client.list_roots()["Roots"][0]["Id"]
units, accounts = [], []


def unit(parent, name):
    made = client.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]
    units.append({"Id": made, "Name": name, "ParentId": parent})
    return made


deepest = root
for level in range(1, 6):
    deepest = unit(deepest, f"level {level}")
for number in range(25):
    unit(root, f"wide {number}")
# The management account is there from the start.
for one in client.list_accounts()["Accounts"]:
    accounts.append({"Id": one["Id"], "Name": one["Name"], "ParentId": root, "State": one["State"]})
for number in range(60):
    made = client.create_account(Email=f"a{number}@example.com", AccountName=f"account {number}")["CreateAccountStatus"]["AccountId"]
    place = [root, deepest, units[number % len(units)]["Id"]][number % 3]
    if place != root:
        client.move_account(AccountId=made, SourceParentId=root, DestinationParentId=place)
    accounts.append({"Id": made, "Name": f"account {number}", "ParentId": place, "State": "ACTIVE"})
with open(path, "w") as file:
    json.dump({"Roots": [{"Id": root}], "OrganizationalUnits": units, "Accounts": accounts}, file)
