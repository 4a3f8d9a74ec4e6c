#!/usr/bin/env python3
"""Runs scim2-tester, an independent SCIM client, against `ringcx-scim sandbox`.

Usage: conformance.py PATH_TO_RINGCX_SCIM [PROFILE]

Needs the package scim2-tester and its HTTP engine: pip install scim2-tester "scim2-client[httpx2]".
Everything that is not conformant is a failure, except what EXPECTED names with a reason; an entry there that
nothing needs any more is a failure too.
"""

import json
import re
import subprocess
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server
from scim2_tester.utils import Status

FINE = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}

# (title, pattern in the reason, why it is right all the same)
EXPECTED: list[tuple[str, str, str]] = []


def main() -> int:
    program, *rest = sys.argv[1:]
    profile = rest[0] if rest else "friendly"
    command = [program, "sandbox", "--listen", "127.0.0.1:0", "--profile", profile, "--json"]
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert sandbox.stdout is not None
        line = sandbox.stdout.readline()
        if not line:
            print("scim2-tester: the sandbox did not start", file=sys.stderr)
            return 1
        return check(json.loads(line), profile)
    finally:
        sandbox.terminate()
        try:
            sandbox.wait(timeout=30)
        except subprocess.TimeoutExpired:
            sandbox.kill()
            sandbox.wait()


def check(sandbox: dict, profile: str) -> int:
    headers = {"Authorization": f"Bearer {sandbox['token']}"}
    with Client(base_url=sandbox["scim_url"], headers=headers, timeout=60) as http:
        results = check_server(SyncSCIMClient(http))
    wrong, used = 0, set()
    for result in results:
        if result.status in FINE:
            continue
        reason = str(result.reason or "")
        entry = next(
            (n for n, (title, pattern, _) in enumerate(EXPECTED)
             if title == result.title and re.search(pattern, reason)),
            None,
        )
        if entry is not None:
            used.add(entry)
            continue
        wrong += 1
        print(f"{result.status.name} {result.title}: {reason}", file=sys.stderr)
    for entry in set(range(len(EXPECTED))) - used:
        wrong += 1
        print(f"expected, but did not happen: {EXPECTED[entry][:2]}", file=sys.stderr)
    fine = sum(result.status in FINE for result in results)
    if fine < 20:
        wrong += 1
        print(f"only {fine} checks ran", file=sys.stderr)
    print(f"scim2-tester, profile {profile}: {len(results)} results, {fine} fine, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
