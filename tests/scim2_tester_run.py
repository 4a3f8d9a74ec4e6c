"""scim2-tester, an independent judge of SCIM servers, held against a sandbox.

Usage: scim2_tester_run.py LINE, where LINE is what `ringcx-scim sandbox --json` prints.

It fills attributes with random values. Those that RingCX limits (a rank from 0 to 24, digits, telephone numbers, names of roles
and agent groups that must exist) are refused by the bridge, rightly, so the tester is told examples that can be.
"""

import json
import random
import sys

import scim2_tester.filling as filling
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import ScimProvider
from scim2_tester import Status, check_server

RINGCX = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"

# What the random value would be refused for, and a value that fits.
FITTING = {
    "agentType": "SUPERVISOR",
    "agentRank": 12,
    "agentGroupName": "UK Agents",
    "initialState": "LUNCH",
    "ghostRnaAction": "AVAILABLE",
    "maxChats": 3,
    "defaultLoginDestination": "+441632960960",
    "altDefaultLoginDestination": "+441632960961",
    "directExtension": "1234",
    "manualOutboundCallerId": "+441632960962",
    "phoneLoginPin": "4321",
    "persona": "agent",
    "defaultDialGroup": "7001",
    "manualOutboundQueue": "8101",
}

# Reports that are the tester's own: title, part of the reason, why.
DELIBERATE = [
    (
        ("check_add_attribute", "check_replace_attribute"),
        f"unexpected value for '{RINGCX}'",
        "the extension has read-only attributes, and the tester wants exactly what it wrote",
    ),
    (
        ("check_remove_attribute",),
        f"did not remove attribute '{RINGCX}'",
        "what the client wrote is removed; the read-only attributes stay",
    ),
    (
        ("check_remove_attribute",),
        "did not remove attribute 'active'",
        "a removed `active` neither enables nor disables anybody",
    ),
]

random_value = filling.generate_random_value


def fitting_value(context, path, mutability=None, required=None):
    """A value that the bridge can accept, where a random one is refused."""
    value = random_value(context, path, mutability, required)
    name = str(path).rsplit(":", 1)[-1].split(".")[-1]
    whole = str(path)
    if value is None:
        return None
    if RINGCX in whole and name == "rcExtensionId":
        # RingCX links an extension to one agent only.
        return str(random.randrange(10**8, 10**9))
    if RINGCX in whole and name in FITTING:
        return FITTING[name]
    if whole.split(".")[0].endswith("roles"):
        return with_value(value, "ACCESS_AUDIT_LOG")
    if whole.split(".")[0].endswith("entitlements"):
        return with_value(value, "4711")
    return value


def with_value(value, fitting):
    """The elements of a multi-valued attribute with a `value` that exists."""
    if isinstance(value, str):
        return fitting
    for item in value if isinstance(value, list) else [value]:
        if hasattr(item, "value"):
            item.value = fitting
    return value


def is_deliberate(result):
    return any(result.title in titles and part in (result.reason or "") for titles, part, _ in DELIBERATE)


def main(line):
    sandbox = json.loads(line)
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("scim2_tester") and hasattr(module, "generate_random_value"):
            module.generate_random_value = fitting_value
    http = Client(base_url=sandbox["scim_url"], headers={"Authorization": f"Bearer {sandbox['token']}"}, timeout=60)
    # Roles and entitlements can only be read, and the tester creates resources of every type it tests.
    results = check_server(SyncSCIMClient(http), resource_types=["User", "Group"])
    good = {getattr(Status, name) for name in ("SUCCESS", "SKIPPED", "COMPLIANT") if hasattr(Status, name)}
    bad = [it for it in results if it.status not in good and not is_deliberate(it)]
    for result in bad:
        print(result.status.name, result.resource_type or "", result.title, "|", result.reason)
    print(f"scim2-tester: {len(results)} checks, {len(bad)} of them not passed")
    if bad or len(results) < 50:
        sys.exit("scim2-tester has something to report")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
