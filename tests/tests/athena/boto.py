"""What a program with boto3 sees of the front: run by tests/tests/athena/clients.rs, which names the endpoints."""

import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

athena = boto3.client("athena", config=Config(retries={"max_attempts": 1}))


def start(sql, **more):
    return athena.start_query_execution(QueryString=sql, WorkGroup="primary", **more)["QueryExecutionId"]


def end(execution):
    while True:
        found = athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
        if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return found
        time.sleep(0.02)


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response
    raise AssertionError(f"not refused: {arguments}")


# Pages: the header is the first row of the first page.
numbers = ", ".join(f"({n})" for n in range(7))
execution = start(f"select n from (values {numbers}) as t (n) order by n")
assert end(execution)["Status"]["State"] == "SUCCEEDED"
pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution, PaginationConfig={"PageSize": 3})
sizes, cells = [], []
for page in pages:
    rows = page["ResultSet"]["Rows"]
    sizes.append(len(rows))
    cells += [row["Data"][0]["VarCharValue"] for row in rows]
assert (sizes, cells) == ([3, 3, 2], ["n"] + [str(n) for n in range(7)]), (sizes, cells)
error = refused(athena.get_query_results, QueryExecutionId=execution, NextToken="another")
assert error["Error"]["Code"] == "InvalidRequestException"

# Times and statistics have the types of the API's model.
found = end(execution)
assert found["Status"]["CompletionDateTime"] >= found["Status"]["SubmissionDateTime"]
assert found["Statistics"]["DataScannedInBytes"] == 0
assert athena.get_query_runtime_statistics(QueryExecutionId=execution)["QueryRuntimeStatistics"]["Rows"]["OutputRows"] == 7

# A token stands for one request.
token = str(uuid.uuid4())
first = start("select 1 as a", ClientRequestToken=token)
assert start("select 1 as a", ClientRequestToken=token) == first
end(first)
error = refused(athena.start_query_execution, QueryString="select 2 as a", WorkGroup="primary", ClientRequestToken=token)
assert (error["Error"]["Code"], error["AthenaErrorCode"]) == ("InvalidRequestException", "IDEMPOTENT_PARAMETER_MISMATCH"), error

# What is no SQL is refused at once; what names no column fails.
error = refused(athena.start_query_execution, QueryString="selekt 1", WorkGroup="primary")
assert (error["Error"]["Code"], error["AthenaErrorCode"]) == ("InvalidRequestException", "MALFORMED_QUERY"), error
status = end(start("select nothing"))["Status"]
assert status["State"] == "FAILED" and status["AthenaError"]["ErrorCategory"] == 2, status
error = refused(athena.start_query_execution, QueryString="select 1", WorkGroup="another")
assert "another" in error["Error"]["Message"], error

# One may run at a time; a stopped one makes room.
many = ", ".join(f"({n})" for n in range(1000))
million = f"select a.n * 1000 + b.n as n from (values {many}) as a (n) cross join (values {many}) as b (n)"
slow = start(f"select max(x.n - y.n) as m from ({million}) as x cross join ({million}) as y")
error = refused(athena.start_query_execution, QueryString="select 1", WorkGroup="primary")
assert (error["Error"]["Code"], error["Reason"]) == ("TooManyRequestsException", "CONCURRENT_QUERY_LIMIT_EXCEEDED"), error
athena.stop_query_execution(QueryExecutionId=slow)
assert end(slow)["Status"]["State"] == "CANCELLED"
assert end(start("select 1 as a"))["Status"]["State"] == "SUCCEEDED"
print("all checked")
