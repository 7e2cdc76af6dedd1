"""Serves Organizations by moto with the ids, names and states of an organization file. usage: organizations_local.py PORT FILE

moto gives everything that it makes a random id, so each id of the file is laid ready before what it belongs to is made.
"""
import datetime
import json
import sys

from moto.core import DEFAULT_ACCOUNT_ID
from moto.organizations import organizations_backends, utils
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

port, path = sys.argv[1:]
file = json.load(open(path))
backend = organizations_backends[DEFAULT_ACCOUNT_ID]["aws"]
root = file["Roots"][0]["Id"]

utils.make_random_root_id = lambda: root
backend.create_organization("us-east-1", FeatureSet="ALL")
# moto lets the management account be; that of the file is one of its accounts.
backend.accounts.clear()

waiting = list(file["OrganizationalUnits"])
known = {root}
while waiting:
    ready = [unit for unit in waiting if unit["ParentId"] in known]
    if not ready:
        sys.exit(f"{path}: these units have no way up to the root: {[unit['Id'] for unit in waiting]}")
    for unit in ready:
        utils.make_random_ou_id = lambda _root, made=unit["Id"]: made
        backend.create_organizational_unit(ParentId=unit["ParentId"], Name=unit["Name"])
        known.add(unit["Id"])
    waiting = [unit for unit in waiting if unit["Id"] not in known]

# Pages of accounts are told apart by the moment of joining, which must differ.
joined = datetime.datetime(2020, 1, 1)
for number, account in enumerate(file["Accounts"]):
    utils.make_random_account_id = lambda made=account["Id"]: made
    backend.create_account(AccountName=account["Name"], Email=f"account-{number}@example.com")
    made = backend.accounts[-1]
    made.parent_id = account["ParentId"]
    made.state = account.get("State") or account.get("Status", "ACTIVE")
    made.status = account.get("Status") or made.state
    made.create_time = joined + datetime.timedelta(minutes=number)

run_simple("127.0.0.1", int(port), DomainDispatcherApplication(create_backend_app), threaded=True)
