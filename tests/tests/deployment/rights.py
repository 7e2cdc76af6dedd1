"""Whether the roles that Terraform makes allow what the functions were seen to do. usage: rights.py TERRAFORM.tfstate CALLS.json

The stand-in for AWS asks nobody for rights, so each call is held against the role's policy, the boundary and the buckets' policies as IAM
would: allowed by both, denied by none. Not looked at: the policies of keys, and what Athena does in the name of who asks.
"""
import json
import sys
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, unquote, urlsplit

state, calls = (json.load(open(path)) for path in sys.argv[1:])
ACCOUNT = "123456789012"


def resources(kind):
    for resource in state["resources"]:
        if resource["mode"] == "managed" and resource["type"] == kind:
            yield from (instance["attributes"] for instance in resource["instances"])


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(text):
    return listed(json.loads(text)["Statement"])


ROLES = {one["role"].removeprefix("apportion-"): statements(one["policy"]) for one in resources("aws_iam_role_policy")}
[BOUNDARY] = [statements(one["policy"]) for one in resources("aws_iam_policy")]
BUCKETS = [statement for one in resources("aws_s3_bucket_policy") for statement in statements(one["policy"])]


def holds(test, key, wanted, context):
    """One line of a condition. Keys have one value each, or a list for ForAllValues."""
    found, wanted = context.get(key), listed(wanted)
    if test == "Null":
        return (found is None) == (wanted[0] in (True, "true"))
    if test.startswith("ForAllValues:"):
        return all(any(fnmatchcase(one, pattern) for pattern in wanted) for one in found or [])
    if found is None:
        return test.endswith("IfExists") or "Not" in test
    hit = any(fnmatchcase(found, str(pattern)) for pattern in wanted)
    return not hit if "Not" in test else hit


def applies(statement, action, resource, context):
    return (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and all(holds(test, key, value, context) for test, keys in statement.get("Condition", {}).items() for key, value in keys.items())
    )


def verdict(function, action, resource, context):
    context = context | {"aws:SecureTransport": "true", "aws:PrincipalAccount": ACCOUNT}
    match = lambda policy, effect: any(one["Effect"] == effect and applies(one, action, resource, context) for one in policy)
    role = ROLES[function]
    if any(match(policy, "Deny") for policy in (role, BOUNDARY, BUCKETS)):
        return "denied"
    if not match(role, "Allow"):
        return "not in the role"
    return None if match(BOUNDARY, "Allow") else "outside of the boundary"


def of_s3(method, path, query, header):
    bucket, _, key = unquote(path.lstrip("/")).partition("/")
    arn = f"arn:aws:s3:::{bucket}"
    if not key:
        assert method == "GET" and "list-type" in query, f"{method} {path} {query}"
        yield "s3:ListBucket", arn, {"s3:prefix": query["prefix"]} if "prefix" in query else {}
        return
    file = f"{arn}/{key}"
    if method in ("GET", "HEAD"):
        yield ("s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"), file, {}
        # Without the right to list, an absent file is forbidden.
        yield "s3:ListBucket", arn, {}
    elif method == "DELETE":
        yield ("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"), file, {}
    else:
        creates = ("uploadId" in query) if method == "POST" else ("partNumber" not in query)
        context = {"s3:ObjectCreationOperation": "true" if creates else "false"}
        if "if-none-match" in header:
            context["s3:if-none-match"] = header["if-none-match"]
        yield "s3:PutObject", file, context
        if "x-amz-object-lock-mode" in header:
            yield "s3:PutObjectRetention", file, {}
        if "x-amz-tagging" in header:
            yield "s3:PutObjectTagging", file, {}
    if source := header.get("x-amz-copy-source"):
        place = urlsplit(source)
        yield ("s3:GetObjectVersion" if "versionId" in place.query else "s3:GetObject"), f"arn:aws:s3:::{unquote(place.path.lstrip('/'))}", {}


def of_dynamodb(operation, body):
    item = body.get("Item") or body.get("Key")
    if item:
        keys = [item["pk"]["S"]]
    else:
        keys = [body["ExpressionAttributeValues"][":pk"]["S"]]
    yield f"dynamodb:{operation}", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{body['TableName']}", {"dynamodb:LeadingKeys": keys}


def of_target(target, body):
    service, operation = target.split(".")
    if service == "DynamoDB_20120810":
        yield from of_dynamodb(operation, body)
    elif service == "TrentService":
        context = {f"kms:{name}": body[name] for name in ("SigningAlgorithm", "MessageType") if name in body}
        yield f"kms:{operation}", body["KeyId"], context
    elif service == "AWSStepFunctions":
        yield f"states:{operation}", body.get("stateMachineArn") or body.get("executionArn") or "*", {}
    elif service == "AmazonAthena":
        yield f"athena:{operation}", f"arn:aws:athena:us-east-1:{ACCOUNT}:workgroup/apportion", {}
    elif service == "Invoicing":
        yield f"invoicing:{operation}", "*", {}
    elif service.startswith("AWSOrganizations"):
        parent = body.get("ParentId")
        kind = "root" if parent and parent.startswith("r-") else "ou"
        yield f"organizations:{operation}", f"arn:aws:organizations::{ACCOUNT}:{kind}/o-abcdefghij/{parent}" if parent else "*", {}
    else:
        sys.exit(f"{target}: a service that this check does not know")


def of_mail(body):
    sender, to = body["FromEmailAddress"], body["Destination"]["ToAddresses"]
    places = [f"identity/{sender.split('@')[1]}"]
    if body.get("ConfigurationSetName"):
        places.append(f"configuration-set/{body['ConfigurationSetName']}")
    for place in places:
        for action in ("ses:SendEmail", "ses:SendRawEmail"):
            yield action, f"arn:aws:ses:us-east-1:{ACCOUNT}:{place}", {"ses:FromAddress": sender, "ses:Recipients": to}


def asked(call):
    line, *rest = call["head"].split("\n")
    method, url, _ = line.split(" ")
    header = {name.strip().lower(): value.strip() for name, value in (one.split(":", 1) for one in rest)}
    if target := header.get("x-amz-target"):
        return of_target(target, call["body"])
    place = urlsplit(url)
    if place.path.startswith("/v2/email/"):
        return of_mail(call["body"])
    return of_s3(method, place.path, dict(parse_qsl(place.query, keep_blank_values=True)), header)


wrong, seen = {}, set()
for call in calls:
    for action, resource, context in asked(call):
        seen.add((call["function"], action))
        if why := verdict(call["function"], action, resource, context):
            wrong.setdefault((call["function"], action, why), f"{resource} {context}")
for (function, action, why), example in sorted(wrong.items()):
    print(f"{function}: {action} {why}: {example}", file=sys.stderr)
print(f"rights: {len(calls)} calls, {len(seen)} rights of {len({function for function, _ in seen})} functions used")
sys.exit(1 if wrong or not calls else 0)
