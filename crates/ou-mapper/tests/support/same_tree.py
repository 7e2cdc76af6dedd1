#!/usr/bin/env python3
"""Exit 0 if two organization files describe the same tree: same_tree.py A B."""
import json
import sys


def tree(path):
    with open(path) as file:
        data = json.load(file)
    accounts = [(one["Id"], one["Name"], one["ParentId"], one["State"]) for one in data["Accounts"]]
    units = [(one["Id"], one["Name"], one["ParentId"]) for one in data["OrganizationalUnits"]]
    return sorted(root["Id"] for root in data["Roots"]), sorted(units), sorted(accounts)


first, second = (tree(path) for path in sys.argv[1:])
print(f"{len(first[1])} OUs, {len(first[2])} accounts: " + ("the same tree" if first == second else "NOT the same tree"))
sys.exit(first != second)
