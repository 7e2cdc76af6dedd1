"""A plan right after an apply must be empty. usage: check_second_plan.py PLAN.json (terraform show -json)

Let pass: alarms, of which the stand-in for AWS loses most attributes. Anything else would be a resource that Terraform changes for ever.
"""
import json
import sys

FORGOTTEN = {"aws_cloudwatch_metric_alarm"}

changes = [
    change
    for change in json.load(open(sys.argv[1])).get("resource_changes", [])
    if change["mode"] == "managed" and change["change"]["actions"] != ["no-op"]
]
passed = [change for change in changes if change["type"] in FORGOTTEN and change["change"]["actions"] == ["update"]]
wrong = [change for change in changes if change not in passed]
for change in wrong:
    before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
    differing = sorted(name for name in after if after[name] != before.get(name))
    print(f"second plan: {change['address']}: {'/'.join(change['change']['actions'])} {', '.join(differing)}")
print(f"second plan: {len(wrong)} changes, beside {len(passed)} alarms that the stand-in for AWS forgets")
sys.exit(1 if wrong else 0)
