#!/usr/bin/env python3
"""Runs scim2-tester, an independent SCIM client, against `ringcx-scim sandbox`.

Usage: conformance.py PATH_TO_RINGCX_SCIM [PROFILE]

Needs the package scim2-tester and its HTTP engine: pip install scim2-tester "scim2-client[httpx2]".
Everything that is not conformant is a failure, except what EXPECTED names with a reason; an entry there that
nothing needs any more is a failure too.
"""

import json
import random
import re
import subprocess
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server, filling
from scim2_tester.utils import Status

FINE = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}

# (title, pattern in the reason, why it is right all the same)
RINGCX = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"
EXPECTED = [
    (
        "check_remove_attribute", r"did not remove attribute 'active'",
        "a person is always active or not; to remove the attribute must neither enable nor disable anybody",
    ),
    (
        "check_remove_attribute", rf"did not remove attribute '{RINGCX}'",
        "what the client wrote is removed; the read-only attributes show what RingCX holds and stay",
    ),
    (
        "check_add_attribute", rf"unexpected value for '{RINGCX}'",
        "the tester compares the whole extension, with the write-only phoneLoginPin and a 'schemas' that is not in it",
    ),
    (
        "check_replace_attribute", rf"unexpected value for '{RINGCX}'",
        "the tester compares the whole extension, with the write-only phoneLoginPin and a 'schemas' that is not in it",
    ),
]


def sensible(sandbox: dict) -> dict:
    """Values for attributes whose meaning no schema can tell: names of things in RingCX, digits, telephone numbers."""
    groups = [group["name"] for group in sandbox["agent_groups"]]
    return {
        "agentrank": lambda: random.randint(1, 24),
        "agentgroupname": lambda: random.choice(groups),
        "initialstate": lambda: random.choice(["AVAILABLE", "LUNCH", "TRAINING"]),
        "directextension": lambda: str(random.randint(1000, 9999)),
        "manualoutboundcallerid": lambda: f"+4420712345{random.randint(10, 99)}",
        "phoneloginpin": lambda: str(random.randint(1000, 9999)),
        "rcextensionid": lambda: str(random.randint(10**8, 10**9)),
        "roles.value": lambda: random.choice(["USER", "ACCESS_SIBLINGS"]),
        "entitlements.value": lambda: random.choice(["4711", "4712"]),
    }


def teach(sandbox: dict) -> None:
    """Makes scim2-tester choose those values where it would make some up."""
    values, made_up = sensible(sandbox), filling.get_random_example_value

    def example(path):
        name = str(path).rsplit(":", 1)[-1].lower()
        binding = path.resolve()
        if binding and binding.target_model and binding.target_field_name == "value":
            model = binding.target_model.__name__.lower()
            name = next((f"{kind}.value" for kind in ("roles", "entitlements") if kind in model), name)
        return values[name]() if name in values else made_up(path)

    filling.get_random_example_value = example


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
    teach(sandbox)
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
