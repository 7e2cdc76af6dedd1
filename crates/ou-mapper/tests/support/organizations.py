#!/usr/bin/env python3
"""A stand-in for AWS Organizations: the JSON 1.1 protocol, pages, the published rates, and faults on request.

  organizations.py --tree FILE | --generate OUS ACCOUNTS   (FILE: Roots, OrganizationalUnits, Accounts with ParentId)
      [--speed N]      buckets refill N times as fast
      [--page N]       entries a page; never more than 20, as the service
      [--empty N]      every Nth page is empty and has a token
      [--latency MS]   before each answer
      [--status]       accounts have the retired Status in the place of State
      [--fault RULE]…  OPERATION:NTH[+]:KIND, OPERATION may be `*`, `+` means the Nth and all after it; KIND is throttle, 500,
                       reset, cut (half an answer), expired, denied, token (its page token is refused),
                       move=ACCOUNT=PARENT, moveou=OU=PARENT, delete=OU, add=ACCOUNT=PARENT: done before the answer

Prints its port, then serves on loopback until killed. GET /figures gives requests and throttled ones by operation.
"""
import argparse
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# (rate, burst) of one account; the two ForParent lists share a bucket.
RATES = {"ListAccounts": (8, 12), "ForParent": (5, 8), "ListRoots": (1, 2)}


class Bucket:
    def __init__(self, rate, burst):
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, time.monotonic()

    def take(self):
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def generate(units, accounts):
    """A tree five levels deep: every root child has OUs below it, names repeat, accounts lie everywhere, the root included."""
    tree = {"Roots": [{"Id": "r-main", "Name": "Root"}], "OrganizationalUnits": [], "Accounts": []}
    levels = [["r-main"], [], [], [], [], []]
    for number in range(units):
        level = 1 + number % 5
        above = levels[level - 1] or levels[0]
        level = level if levels[level - 1] else 1
        parent = above[(number * 7919) % len(above)]
        identity = f"ou-main-{number:08d}"
        tree["OrganizationalUnits"].append({"Id": identity, "Name": f"Unit {number % 97}", "ParentId": parent})
        levels[level].append(identity)
    places = [unit["Id"] for unit in tree["OrganizationalUnits"]] + ["r-main"]
    states = ["ACTIVE"] * 18 + ["SUSPENDED", "CLOSED"]
    for number in range(accounts):
        tree["Accounts"].append({"Id": f"{100000000000 + number}", "Name": f"account {number}",
                                 "ParentId": places[number % len(places)], "State": states[number % 20]})
    return tree


class World:
    def __init__(self, options):
        self.options, self.lock = options, threading.Lock()
        self.tree = json.load(open(options.tree)) if options.tree else generate(*options.generate)
        self.buckets = {name: Bucket(rate * options.speed, burst) for name, (rate, burst) in RATES.items()}
        self.seen, self.requests, self.throttled, self.pages = {}, {}, {}, 0
        self.faults = []
        for rule in options.fault:
            operation, at, kind = rule.split(":", 2)
            self.faults.append((operation, int(at.rstrip("+")), at.endswith("+"), kind))
        self.index()

    def index(self):
        self.children = {root["Id"]: ([], []) for root in self.tree["Roots"]}
        self.children.update({unit["Id"]: ([], []) for unit in self.tree["OrganizationalUnits"]})
        for kind, name in enumerate(("OrganizationalUnits", "Accounts")):
            for one in self.tree[name]:
                if one["ParentId"] in self.children:
                    self.children[one["ParentId"]][kind].append(one)

    def faults_of(self, operation):
        everything = sum(self.seen.values())
        for wanted, at, on, kind in self.faults:
            count = everything if wanted == "*" else self.seen.get(operation, 0) if wanted == operation else -1
            if count == at or (on and count > at):
                yield kind

    def change(self, kind):
        what, identity, *parent = kind.split("=")
        if what in ("move", "moveou"):
            for one in self.tree["Accounts" if what == "move" else "OrganizationalUnits"]:
                if one["Id"] == identity:
                    one["ParentId"] = parent[0]
        elif what == "add":
            self.tree["Accounts"].append({"Id": identity, "Name": "new", "ParentId": parent[0], "State": "ACTIVE"})
        elif what == "delete":
            self.tree["OrganizationalUnits"] = [one for one in self.tree["OrganizationalUnits"] if one["Id"] != identity]
        self.index()

    def entries(self, operation, body):
        if operation == "ListRoots":
            return "Roots", [dict(one, Arn="arn", PolicyTypes=[]) for one in self.tree["Roots"]]
        if operation == "ListAccounts":
            return "Accounts", [self.account(one) for one in self.tree["Accounts"]]
        units, accounts = self.children[body["ParentId"]]
        if operation == "ListOrganizationalUnitsForParent":
            return "OrganizationalUnits", [{"Id": one["Id"], "Name": one["Name"], "Arn": "arn"} for one in units]
        return "Accounts", [self.account(one) for one in accounts]

    def account(self, one):
        state = one.get("State", "ACTIVE")
        found = {"Id": one["Id"], "Name": one["Name"], "Email": "a@example.com", "JoinedTimestamp": 1.5e9}
        found["Status" if self.options.status else "State"] = state
        return found

    def answer(self, operation, body):
        """Status, error code or None, and the body."""
        with self.lock:
            self.seen[operation] = self.seen.get(operation, 0) + 1
            self.requests[operation] = self.requests.get(operation, 0) + 1
            kinds = list(self.faults_of(operation))
            for kind in kinds:
                if "=" in kind:
                    self.change(kind)
            bucket = "ForParent" if operation.endswith("ForParent") else operation
            if "throttle" in kinds or not self.buckets[bucket].take():
                self.throttled[operation] = self.throttled.get(operation, 0) + 1
                return 400, "TooManyRequestsException", {"message": "Rate exceeded", "Type": "RATE"}
            if "expired" in kinds:
                return 400, "ExpiredTokenException", {"message": "The security token included in the request is expired"}
            if "denied" in kinds:
                return 400, "AccessDeniedException", {"message": f"not authorized to perform: organizations:{operation}"}
            if "500" in kinds:
                return 500, "ServiceException", {"message": "internal"}
            for kind in ("reset", "cut"):
                if kind in kinds:
                    return 0, kind, {}
            token = body.get("NextToken")
            if token and ("token" in kinds or not token.startswith("page-")):
                return 400, "InvalidInputException", {"message": "You provided a token that is invalid", "Reason": "INVALID_NEXT_TOKEN"}
            if operation.endswith("ForParent") and body["ParentId"] not in self.children:
                return 400, "ParentNotFoundException", {"message": "no such parent"}
            name, entries = self.entries(operation, body)
            size = min(self.options.page, body.get("MaxResults", 20), 20)
            at = int(token.split("-")[1]) if token else 0
            self.pages += 1
            if self.options.empty and self.pages % self.options.empty == 0:
                return 200, None, {name: [], "NextToken": f"page-{at}-again"}
            page = {name: entries[at:at + size]}
            if at + size < len(entries):
                page["NextToken"] = f"page-{at + size}"
            return 200, None, page


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else Nagle's algorithm and delayed acknowledgements add 40 ms to every answer.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, code, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        world = self.server.world
        self.reply(200, None, {"requests": world.requests, "throttled": world.throttled})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        service, operation = self.headers["X-Amz-Target"].split(".")
        assert service == "AWSOrganizationsV20161128", service
        assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 "), "unsigned"
        time.sleep(self.server.world.options.latency / 1000)
        status, code, answer = self.server.world.answer(operation, body)
        if code == "reset":
            # Lingering for no time closes with RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            self.connection.close()
        elif code == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"Accounts\": [")
            self.close_connection = True
        else:
            self.reply(status, f"{code}" if code else None, dict(answer, __type=code) if code else answer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree")
    parser.add_argument("--generate", nargs=2, type=int, default=[60, 300])
    parser.add_argument("--speed", type=float, default=1)
    parser.add_argument("--page", type=int, default=20)
    parser.add_argument("--empty", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0)
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--write", help="writes the tree to a file, to compare with")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.world = World(options)
    if options.write:
        with open(options.write, "w") as file:
            json.dump(server.world.tree, file)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
