"""RingCentral's own published Python client, held against a simulator: an independent judge of its sign-in and its lists.

Usage: engage_client.py SIMULATOR_URL
"""

import sys

from ringcentral_engage_voice import RingCentralEngageVoice

ACCOUNT = "15300002"
GROUPS = ["Default", "Platform Team", "UK Agents", "US Agents"]
AGENTS = ["wanda@example.com"]


def main(url):
    client = RingCentralEngageVoice("simulated-client", "simulated-secret", url, url)
    client.authorize(jwt="simulated-jwt")
    base = f"/api/v1/admin/accounts/{ACCOUNT}/agentGroups"
    groups = client.get(base).json()
    agents = [agent for group in groups for agent in client.get(f"{base}/{group['agentGroupId']}/agents").json()]
    names = sorted(group["groupName"] for group in groups)
    logins = sorted(agent["username"] for agent in agents)
    print(f"agent groups: {', '.join(names)}; agents: {', '.join(logins)}")
    if names != GROUPS or logins != AGENTS:
        sys.exit(f"expected the groups {GROUPS} and the agents {AGENTS}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
